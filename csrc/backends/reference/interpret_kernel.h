// Runs a Loop IR kernel instruction by instruction: slow and obviously right, the measure for code generators and the
// scheduler.
#pragma once

#include <cstdint>

#include "schedule/kernel.h"

namespace braze {

/// Runs points [begin, end) of the parallel axes, with the meaning of KernelFn (backend.h): non-zero when an index of a
/// gather was out of range. At each parallel point everything is read before anything is written.
int64_t interpret_kernel(const Kernel& kernel, void* const* params, int64_t begin, int64_t end);

}  // namespace braze
