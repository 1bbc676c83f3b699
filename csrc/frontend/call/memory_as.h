// The memory under a tensor as elements of another dtype.
#pragma once

#include <ATen/core/Tensor.h>

namespace braze {

/// `tensor` itself when it has this dtype; else a view of all its memory, from the beginning of its storage on, as a
/// complex number shows its parts, or parts a complex number, and autograd knows; between other dtypes as
/// Tensor.view(dtype) does.
at::Tensor memory_as(const at::Tensor& tensor, at::ScalarType dtype);

}  // namespace braze
