// Running one kernel: on the calling thread when it is small, else cut into chunks for a pool of threads that the
// frontend lends. All that depends on the kernel is decided once, so that a launch costs little more than the kernel.
#pragma once

#include <cstdint>
#include <span>

#include "backends/backend.h"
#include "schedule/kernel.h"

namespace braze {

/// Calls body on parts of [begin, end), each of at least `grain`, perhaps on several threads; returns when all have
/// returned.
using ParallelFor = void (*)(int64_t begin, int64_t end, int64_t grain,
                             void (*body)(int64_t begin, int64_t end, void* context), void* context);

/// A kernel and how it is cut.
struct KernelLaunch {
  KernelFn run = nullptr;
  int64_t points = 0;
  int64_t unit = 1;       // chunks begin at multiples of this many points
  int64_t grain = 1;      // the least number of units worth a chunk
  bool parallel = false;  // there is work for at least two chunks
};

/// `sizes`: the values of a parametric kernel's size parameters. They are the launch's alone: `params` of launch() must
/// end, behind the kernel's params, with a pointer to the same values.
KernelLaunch prepare_launch(const Kernel& kernel, KernelFn run, std::span<const int64_t> sizes = {});

/// The slow half of launch().
int64_t launch_parallel(const KernelLaunch& launch, void* const* params, ParallelFor parallel_for);

/// Runs the kernel; null `parallel_for` means one thread. Non-zero: an index of a gather was out of range.
inline int64_t launch(const KernelLaunch& launch, void* const* params, ParallelFor parallel_for) {
  if (!launch.parallel || !parallel_for) return launch.run(params, 0, launch.points);
  return launch_parallel(launch, params, parallel_for);
}

}  // namespace braze
