// What Python may be told that a tensor does not have: a gradient, a base it is a view of. A recorded call holds only
// for tensors that still lack it.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace braze {

enum class Absence : uint8_t { Gradient, Base, RetainedGradient };

/// Hot where a call asked. Whether the tensor lacks it now.
bool is_absent(const at::TensorImpl* tensor, Absence what);

}  // namespace braze
