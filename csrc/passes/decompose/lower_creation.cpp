// Tensors made from nothing: constants, ranges, memory not written yet.
#include <cmath>

#include "graph/geometry.h"
#include "passes/decompose/aten.h"

namespace braze {

void lower_empty(Lowering& l) {
  l.require(l.is_functional() && l.wanted());
  l.set(l.builder().empty(l.result_dtype(), l.result_shape()));
}

void lower_constant(Lowering& l) {
  const DType dtype = l.result_dtype();
  l.set(l.builder().integer(dtype, l.name().find("ones") != std::string_view::npos), dtype);
}

/// full(sizes, number), new_full(self, sizes, number), full_like(self, number), fill(self, number),
/// scalar_tensor(number)
void lower_full(Lowering& l) {
  const DType dtype = l.result_dtype();
  const size_t value = l.name() == "scalar_tensor" ? 0 : l.name() == "new_full" ? 2 : 1;
  if (l.is_number(value)) return l.set(cast(dtype, l.raw(value)), dtype);
  l.require(l.name() == "fill" && l.sizes(value).empty());
  l.set(cast(dtype, l.raw(value)), dtype);
}

/// Only ranges of whole numbers: how eager rounds others depends on its vector width.
void lower_arange(Lowering& l) {
  const DType dtype = l.result_dtype();
  const bool has_start = l.overload() == "start" || l.overload() == "start_step" || l.overload() == "start_out";
  if (!l.require(l.overload() != "out")) return;
  double start = has_start ? l.real(0) : 0;
  double step = l.overload() == "start_step" || l.overload() == "start_out" ? (l.is_number(2) ? l.real(2) : 1) : 1;
  const double limit = dtype == DType::f16 ? 0x1p11 : dtype == DType::bf16 ? 0x1p8 : 0x1p24;
  if (!l.require(l.result_sizes().size() == 1)) return;
  const double count = static_cast<double>(l.result_sizes()[0]);
  l.require(start == std::trunc(start) && step == std::trunc(step));
  l.require(std::abs(start) <= limit && std::abs(step) <= limit && std::abs(start + step * count) <= limit);
  if (l.refused()) return;
  Builder& b = l.builder();
  Expr position = b.index(l.result_sizes(), 0);
  Expr value = position * step + start;
  l.set(cast(dtype, value), dtype);
}

void lower_eye(Lowering& l) {
  const DType dtype = l.result_dtype();
  const std::vector<int64_t> sizes = l.result_sizes();
  if (!l.require(sizes.size() == 2)) return;
  Builder& b = l.builder();
  l.set(cast(dtype, b.index(sizes, 0) == b.index(sizes, 1)), dtype);
}

}  // namespace braze
