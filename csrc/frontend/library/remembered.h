// Answers found by trial, kept in memory and on disk: for the life of the process and for others after it.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/geometry.h"
#include "support/options.h"

namespace braze {

class Remembered {
 public:
  static Remembered& instance();

  std::optional<std::string> find(const std::string& question);
  void keep(const std::string& question, const std::string& answer);

 private:
  std::mutex mutex_;
  std::map<std::string, std::string> known_;
};

/// Which of `answers` is the one to `question`: as it is kept, else as `find` says. A trial that fails, for want of
/// memory say, is answered with the first of them, and nothing is kept. No lock is held meanwhile, so two threads may
/// both find it.
size_t remembered_choice(const std::string& question, const std::vector<std::string_view>& answers,
                         const std::function<size_t()>& find);

/// The sizes and strides of an operand, as a part of a question.
std::string in_words(const Geometry& geometry);

/// What every answer depends on: the machine, PyTorch, the number of threads.
std::string circumstances(const Options& options);

}  // namespace braze
