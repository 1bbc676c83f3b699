#include "frontend/library/remembered.h"

#include <ATen/Parallel.h>
#include <torch/version.h>

#include <algorithm>
#include <exception>

#include "runtime/disk_cache.h"
#include "runtime/kernel_cache.h"

namespace braze {

Remembered& Remembered::instance() {
  static auto* remembered = new Remembered;
  return *remembered;
}

std::optional<std::string> Remembered::find(const std::string& question) {
  const std::lock_guard lock(mutex_);
  if (auto found = known_.find(question); found != known_.end()) return found->second;
  DiskCache* disk = process_disk_cache();
  auto kept = disk ? disk->load(question) : std::nullopt;
  if (kept) known_[question] = *kept;
  return kept;
}

void Remembered::keep(const std::string& question, const std::string& answer) {
  const std::lock_guard lock(mutex_);
  known_[question] = answer;
  if (DiskCache* disk = process_disk_cache()) disk->store(question, answer);
}

size_t remembered_choice(const std::string& question, const std::vector<std::string_view>& answers,
                         const std::function<size_t()>& find) {
  const auto known = Remembered::instance().find(question);
  const auto place = known ? std::find(answers.begin(), answers.end(), *known) : answers.end();
  if (place != answers.end()) return static_cast<size_t>(place - answers.begin());
  try {
    const size_t found = find();
    Remembered::instance().keep(question, std::string(answers.at(found)));
    return found;
  } catch (const std::exception&) {
    return 0;
  }
}

std::string in_words(const Geometry& geometry) {
  std::string text = ";";
  for (int64_t n : geometry.sizes) text += " " + std::to_string(n);
  text += " by";
  for (int64_t n : geometry.strides) text += " " + std::to_string(n);
  return text;
}

std::string circumstances(const Options& options) {
  const CodegenOptions codegen{.isa = options.isa, .fast_math = options.numerics == "fast"};
  return "on " + process_kernel_cache().backend().target(codegen) + " torch " TORCH_VERSION " threads " +
         std::to_string(at::get_num_threads());
}

}  // namespace braze
