#include "frontend/library/trial_run.h"

#include <ATen/core/LegacyTypeDispatch.h>

#include <algorithm>
#include <chrono>

namespace braze {

double seconds_of(const std::function<void()>& run) {
  using Clock = std::chrono::steady_clock;
  constexpr int kRuns = 7;
  constexpr double kEnough = 0.01;
  at::AutoDispatchBelowADInplaceOrView below_autograd;
  run();
  double best = 1e9, total = 0;
  for (int i = 0; i < kRuns && total < kEnough; ++i) {
    const auto start = Clock::now();
    run();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    best = std::min(best, seconds);
    total += seconds;
  }
  return best;
}

}  // namespace braze
