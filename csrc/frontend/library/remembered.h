// Answers found by trial, kept in memory and on disk: for the life of the process and for others after it.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

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

/// What every answer depends on: the machine, PyTorch, the number of threads.
std::string circumstances(const Options& options);

}  // namespace braze
