#include "compile_dump.h"

#include <unistd.h>

#include <atomic>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "graph/print.h"
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

std::string show(const BufferRef& buffer) {
  switch (buffer.kind) {
    case BufferRef::Kind::Input: return "input " + std::to_string(buffer.index);
    case BufferRef::Kind::Output: return "output " + std::to_string(buffer.index);
    case BufferRef::Kind::Arena: return "arena+" + std::to_string(buffer.offset);
    case BufferRef::Kind::Owned: return "owned " + std::to_string(buffer.index);
  }
  return "";
}

template <typename Items, typename Show>
std::string join(const Items& items, Show show_item) {
  std::string text;
  for (const auto& item : items) text += (text.empty() ? "" : ", ") + show_item(item);
  return text;
}

std::string show(const ExternTensor& tensor) {
  return show(tensor.buffer) + " " + std::string(info(tensor.dtype).name) + print(tensor.geometry);
}

std::string show(const KernelStep& step) {
  return "kernel " + std::to_string(step.kernel) + " (" + join(step.params, [](const BufferRef& b) { return show(b); }) +
         ")  # " + join(step.origins, [](const std::string& origin) { return origin; });
}

std::string show(const ExternStep& step) {
  const auto show_tensor = [](const ExternTensor& tensor) { return show(tensor); };
  std::string text = "extern " + step.call.op + "." + step.call.overload + " (" + join(step.operands, show_tensor) + ")";
  if (!step.results.empty()) text += " -> " + join(step.results, show_tensor) + (step.into_results ? " in place" : "");
  if (!step.release.empty()) text += " releases " + join(step.release, [](int32_t slot) { return std::to_string(slot); });
  return text;
}

}  // namespace

std::string print(const Plan& plan) {
  std::string text = "plan of " + std::to_string(plan.kernels.size()) + " kernels, " + std::to_string(plan.steps.size()) +
                     " steps, arena of " + std::to_string(plan.arena_bytes) + " bytes\n";
  for (const Step& step : plan.steps) text += std::visit([](const auto& s) { return show(s); }, step) + "\n";
  for (const OutputBuffer& output : plan.outputs) {
    text += "output " + std::string(info(output.dtype).name) + print(output.shape);
    text += output.owned < 0 ? "\n" : " is owned " + std::to_string(output.owned) + "\n";
  }
  return text;
}

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
  for (size_t i = 0; i < plan.kernels.size(); ++i) write("kernel_" + std::to_string(i) + ".loop", print(plan.kernels[i]));
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
