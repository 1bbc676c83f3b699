#include "frontend/call/memory_as.h"

#include <ATen/ops/as_strided.h>
#include <ATen/ops/view_as_complex.h>
#include <ATen/ops/view_as_real.h>

#include <algorithm>

namespace braze {

at::Tensor memory_as(const at::Tensor& tensor, at::ScalarType dtype) {
  if (tensor.scalar_type() == dtype) return tensor;
  const auto from = static_cast<int64_t>(tensor.itemsize()), to = static_cast<int64_t>(at::elementSize(dtype));
  const auto bytes = static_cast<int64_t>(tensor.storage().nbytes()) / std::max(from, to) * std::max(from, to);
  if (tensor.is_complex() && dtype == c10::toRealValueType(tensor.scalar_type())) {
    const at::Tensor pairs = at::view_as_real(at::as_strided(tensor, {bytes / from}, {1}, 0));
    return at::as_strided(pairs, {bytes / to}, {1}, 0);
  }
  if (c10::isComplexType(dtype) && tensor.scalar_type() == c10::toRealValueType(dtype))
    return at::view_as_complex(at::as_strided(tensor, {bytes / to, 2}, {2, 1}, 0));
  return at::as_strided(tensor, {bytes / from}, {1}, 0).view(dtype);
}

}  // namespace braze
