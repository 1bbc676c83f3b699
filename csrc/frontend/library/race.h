// Which of several ways to do the same is fastest: whose turn it is to be run, and when enough is known.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

namespace braze {

/// Ways are run in turn, so that what else the machine does hits all of them, and each counts as fast as its best run:
/// what disturbs a run only adds. One that is far behind drops out early.
class Race {
 public:
  struct Effort {
    int fewest, most;  // runs of each way
    double enough;     // seconds for each way; no more than `fewest` runs where they take longer
  };

  Race(size_t ways, Effort effort)
      : effort_(effort),
        best_(ways, std::numeric_limits<double>::infinity()),
        spent_(ways, 0),
        runs_(ways, 0),
        is_in_(ways, 1) {
    is_over_ = ways < 2;
  }

  bool is_over() const { return is_over_; }

  /// The way to run next, of those that are in.
  size_t next() const {
    size_t least = best_.size();
    for (size_t way = 0; way < best_.size(); ++way)
      if (is_in_[way] && (least == best_.size() || runs_[way] < runs_[least])) least = way;
    return least;
  }

  void add(size_t way, double seconds) {
    best_[way] = std::min(best_[way], seconds);
    ++runs_[way];
    spent_[way] += seconds;
    if (!is_over_) judge();
  }

  size_t fastest() const { return std::min_element(best_.begin(), best_.end()) - best_.begin(); }

  /// The best of each; of those that dropped out it says no more than that they are slower.
  const std::vector<double>& seconds() const { return best_; }

 private:
  /// A best this many times the least one will not become the least: a disturbance would have to hit each of these runs
  /// and none of the other's. Nothing is said after one run.
  static double hopeless(int runs) { return runs < 2 ? std::numeric_limits<double>::infinity() : 1 + 0.5 / (runs - 1); }

  void judge() {
    const int runs = runs_[next()];
    for (size_t way = 0; way < best_.size(); ++way)
      if (is_in_[way] && runs_[way] > runs) return;  // in the middle of a round
    const double least = best_[fastest()];
    double in = 0, spent = 0;
    for (size_t way = 0; way < best_.size(); ++way) {
      is_in_[way] = is_in_[way] && best_[way] <= least * hopeless(runs);
      if (!is_in_[way]) continue;
      ++in;
      spent += spent_[way];
    }
    const bool is_enough = runs >= effort_.fewest && spent >= effort_.enough * in;
    is_over_ = in < 2 || is_enough || runs >= effort_.most;
  }

  const Effort effort_;
  std::vector<double> best_, spent_;
  std::vector<int> runs_;
  std::vector<char> is_in_;
  bool is_over_ = false;
};

}  // namespace braze
