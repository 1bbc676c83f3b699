// Finding the fastest of several ways to compute something by running each.
#pragma once

#include <exception>
#include <functional>
#include <utility>
#include <vector>

namespace braze {

/// A clock for runs: where one thread does all the work that thread's own, which stands still while other programs run.
double seconds_now();

/// The seconds `run` takes: the best of a few runs, after one that does not count.
double seconds_of(const std::function<void()>& run);

/// The same for any number of ways, each of which has been run once. They are run in turn, so that what else the
/// machine does hits all of them. One that is far behind drops out early (Race), so only the least of the times is
/// exact.
std::vector<double> seconds_in_turn(const std::vector<std::function<void()>>& ways);

/// The same for two ways, neither of which need have been run.
std::pair<double, double> seconds_in_turn(const std::function<void()>& one, const std::function<void()>& other);

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
