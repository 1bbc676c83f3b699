// One kernel for two that differ in integers only.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "schedule/kernel.h"

namespace braze {

struct ParametricKernel {
  Kernel kernel;
  std::vector<std::pair<int64_t, int64_t>> sizes;  // of each size parameter: its value in the one and in the other
};

/// The kernel that does what `a` and `b` do, which are static: equal but for integers and for how their constants are
/// written (constants are compared use by use, and a product with a power of two is the division it was made from).
/// Nothing when they differ in more. Equal pairs of integers become one size parameter; what is 0 or 1 in one stays.
std::optional<ParametricKernel> unify_kernels(const Kernel& a, const Kernel& b);

/// The sizes at which `kernel` does what the static kernel `c` does.
std::optional<std::vector<int64_t>> sizes_that_match(const Kernel& kernel, const Kernel& c);

}  // namespace braze
