// Finding the fastest of several ways to compute something by running each, once in the life of the process.
#pragma once

#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <string>

namespace braze {

/// The seconds `run` takes: the best of a few runs, after one that does not count.
double seconds_of(const std::function<void()>& run);

/// As seconds_of, for what `prepare` gives; a year when the library refuses it, as it does some shapes.
template <typename Prepare>
double seconds_if_it_runs(const Prepare& prepare) {
  try {
    return seconds_of(prepare());
  } catch (const std::exception&) {
    return 3e7;
  }
}

/// Answers by what was asked; found on the first question.
template <typename Answer>
class Memory {
 public:
  Answer get(const std::string& question, const std::function<Answer()>& find) {
    const std::lock_guard lock(mutex_);
    auto found = known_.find(question);
    if (found == known_.end()) found = known_.emplace(question, find()).first;
    return found->second;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, Answer> known_;
};

}  // namespace braze
