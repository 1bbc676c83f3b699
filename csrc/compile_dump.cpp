// One numbered file a stage, so that a listing of the folder reads as the compilation.
#include "compile_dump.h"

#include <unistd.h>

#include <atomic>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "graph/print.h"
#include "schedule/plan_text.h"
#include "support/log.h"

namespace braze {
namespace {

std::atomic<int> dumps{0};

std::string safe_file_name(std::string text) {
  for (char& c : text)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '-' && c != '.') c = '_';
  return text.substr(0, 100);
}

std::string two_digits(int number) { return (number < 10 ? "0" : "") + std::to_string(number); }

}  // namespace

CompileDump::CompileDump(const std::string& directory) {
  if (directory.empty()) return;
  const std::filesystem::path folder =
      std::filesystem::path(directory) / ("compile_" + std::to_string(getpid()) + "_" + two_digits(dumps++));
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  if (failed)
    log_line(LogChannel::compiles, "cannot dump into " + folder.string() + ": " + failed.message());
  else
    folder_ = folder.string();
}

void CompileDump::write(const std::string& subject, const std::string& text) {
  if (!on()) return;
  const std::string path = folder_ + "/" + two_digits(files_++) + "_" + safe_file_name(subject);
  std::ofstream file(path, std::ios::binary);
  file << text;
  if (!file.flush()) log_line(LogChannel::compiles, "cannot write " + path);
}

void CompileDump::graph(const Graph& graph) {
  if (on()) write("captured.graph", print(graph));
}

void CompileDump::passes(const std::vector<PassRecord>& passes) {
  for (const PassRecord& pass : passes)
    if (pass.changed) write(pass.name + ".graph", pass.graph_after);
}

void CompileDump::plan(const Plan& plan) {
  if (!on()) return;
  write("plan.txt", print(plan));
  for (size_t i = 0; i < plan.kernels.size(); ++i)
    write("kernel_" + std::to_string(i) + ".loop", print(plan.kernels[i]));
}

void CompileDump::code(const Plan& plan, const std::vector<FoundKernel>& kernels, const Backend& backend,
                       const CodegenOptions& options) {
  if (!on()) return;
  for (size_t i = 0; i < kernels.size(); ++i) {
    std::string listing;
    backend.compile({{kernels[i].kernel->name, print(plan.kernels[i])}}, options, &listing);
    write("kernel_" + std::to_string(i) + "_" + kernels[i].kernel->name + ".code", listing);
  }
}

}  // namespace braze
