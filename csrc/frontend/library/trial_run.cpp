#include "frontend/library/trial_run.h"

#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>

#include <algorithm>
#include <ctime>

#include "frontend/library/race.h"

namespace braze {

double seconds_now() {
  timespec now;
  clock_gettime(at::get_num_threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

namespace {

double seconds_of_one(const std::function<void()>& run) {
  const double start = seconds_now();
  run();
  return seconds_now() - start;
}

}  // namespace

double seconds_of(const std::function<void()>& run) {
  constexpr int kRuns = 7;
  constexpr double kEnough = 0.01;
  at::AutoDispatchBelowADInplaceOrView below_autograd;
  run();
  double best = 1e9, total = 0;
  for (int i = 0; i < kRuns && total < kEnough; ++i) {
    const double seconds = seconds_of_one(run);
    best = std::min(best, seconds);
    total += seconds;
  }
  return best;
}

std::vector<double> seconds_in_turn(const std::vector<std::function<void()>>& ways) {
  at::AutoDispatchBelowADInplaceOrView below_autograd;
  Race race(ways.size(), {.fewest = 3, .most = 40, .enough = 0.003});
  while (!race.is_over()) {
    const size_t way = race.next();
    race.add(way, seconds_of_one(ways[way]));
  }
  return race.seconds();
}

std::pair<double, double> seconds_in_turn(const std::function<void()>& one, const std::function<void()>& other) {
  one();
  other();
  const std::vector<double> seconds = seconds_in_turn(std::vector{one, other});
  return {seconds[0], seconds[1]};
}

}  // namespace braze
