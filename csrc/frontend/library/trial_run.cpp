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

std::vector<double> seconds_in_turn(const std::vector<std::function<void()>>& ways) {
  constexpr int kRuns = 40, kFewest = 4;
  constexpr double kEnough = 0.0075;  // for each
  at::AutoDispatchBelowADInplaceOrView below_autograd;
  for (const auto& way : ways) way();
  std::vector<double> best(ways.size(), 1e9);
  double total = 0;
  for (int i = 0; i < kFewest || (i < kRuns && total < kEnough * static_cast<double>(ways.size())); ++i)
    for (size_t w = 0; w < ways.size(); ++w) {
      const double seconds = seconds_of_one(ways[w]);
      best[w] = std::min(best[w], seconds);
      total += seconds;
    }
  return best;
}

std::pair<double, double> seconds_in_turn(const std::function<void()>& one, const std::function<void()>& other) {
  const std::vector<double> seconds = seconds_in_turn(std::vector{one, other});
  return {seconds[0], seconds[1]};
}

}  // namespace braze
