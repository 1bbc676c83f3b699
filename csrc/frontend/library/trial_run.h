// Finding the fastest of several ways to compute something by running each.
#pragma once

#include <exception>
#include <functional>
#include <utility>
#include <vector>

namespace braze {

/// The seconds `run` takes: the best of a few runs, after one that does not count.
double seconds_of(const std::function<void()>& run);

/// The same for two ways, run in turn, so that what else the machine does hits both.
std::pair<double, double> seconds_in_turn(const std::function<void()>& one, const std::function<void()>& other);

/// The same for any number of ways.
std::vector<double> seconds_in_turn(const std::vector<std::function<void()>>& ways);

/// As seconds_of, for what `prepare` gives; a year when the library refuses it, as it does some shapes.
template <typename Prepare>
double seconds_if_it_runs(const Prepare& prepare) {
  try {
    return seconds_of(prepare());
  } catch (const std::exception&) {
    return 3e7;
  }
}

}  // namespace braze
