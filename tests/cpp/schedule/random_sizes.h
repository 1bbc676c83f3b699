// Parametric kernels made from static ones, for comparing the two.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "schedule/kernel.h"

namespace braze {

struct SizedKernel {
  Kernel kernel;               // with size parameters for some integers of the static kernel
  std::vector<int64_t> sizes;  // that make it the static kernel again

  /// `params`, and behind them the pointer to the sizes.
  std::vector<void*> with_sizes_behind(std::vector<void*> params) {
    params.push_back(sizes.data());
    return params;
  }
};

/// Puts size parameters in the place of about `share` of the integers that may be one. Equal integers may share one.
SizedKernel with_random_sizes(const Kernel& kernel, std::mt19937& random, double share);

}  // namespace braze
