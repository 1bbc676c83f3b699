#include "frontend/library/trial_run.h"

#include <ATen/Parallel.h>
#include <ATen/core/LegacyTypeDispatch.h>

#include <algorithm>
#include <ctime>

namespace braze {

namespace {

/// Where one thread does all the work its own clock counts, which stands still while other programs run.
double seconds_now() {
  timespec now;
  clock_gettime(at::get_num_threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

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

std::pair<double, double> seconds_in_turn(const std::function<void()>& one, const std::function<void()>& other) {
  constexpr int kRuns = 40, kFewest = 4;
  constexpr double kEnough = 0.015;
  at::AutoDispatchBelowADInplaceOrView below_autograd;
  one(), other();
  std::pair<double, double> best = {1e9, 1e9};
  double total = 0;
  for (int i = 0; i < kFewest || (i < kRuns && total < kEnough); ++i) {
    const double a = seconds_of_one(one), b = seconds_of_one(other);
    best = {std::min(best.first, a), std::min(best.second, b)};
    total += a + b;
  }
  return best;
}

}  // namespace braze
