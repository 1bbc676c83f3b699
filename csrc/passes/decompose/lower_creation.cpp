// Tensors made from nothing: constants, ranges, memory not written yet.
#include <algorithm>
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

/// (start, end, steps), where every number is a multiple of one power of two that its dtype can tell apart: how eager
/// rounds others depends on its vector width.
void lower_linspace(Lowering& l) {
  const DType dtype = l.result_dtype();
  const double count = static_cast<double>(l.integer(2));
  l.require(is_floating(dtype) && opmath(dtype) == dtype && l.result_sizes().size() == 1 && count >= 2);
  if (!l.require(l.is_number(0) && l.is_number(1))) return;
  const double start = l.real(0), end = l.real(1), step = (end - start) / (count - 1);
  const double largest = std::max(std::abs(start), std::abs(end));
  if (l.refused() || !l.require(largest > 0 && std::isfinite(largest))) return;
  const double unit = std::ldexp(1.0, std::ilogb(largest) - 22);
  auto is_multiple = [&](double x) { return x / unit == std::trunc(x / unit); };
  if (!l.require(is_multiple(start) && is_multiple(end) && is_multiple(step) && step * (count - 1) == end - start))
    return;
  Expr position = cast(dtype, l.builder().index(l.result_sizes(), 0));
  l.set(position * step + start, dtype);
}

/// tril_indices and triu_indices (row, col, offset): a row begins where the ones before it end.
void lower_triangle_indices(Lowering& l) {
  constexpr int64_t kMostRows = 32;
  const DType dtype = l.result_dtype();
  const int64_t rows = l.integer(0), columns = l.integer(1), offset = l.integer(2);
  const bool lower = l.name() == "tril_indices";
  const Geometry shape = l.result_shape();
  l.require(l.is_functional() && shape.sizes.size() == 2 && shape.numel() > 0 && rows <= kMostRows);
  if (l.refused()) return;
  Builder& b = l.builder();
  Expr position = b.index({shape.sizes[1]}, 0);
  auto number = [&](int64_t n) { return b.integer(DType::i64, n); };
  Expr row = number(0), column = number(0);
  int64_t start = 0;
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t edge = std::clamp<int64_t>(r + offset + (lower ? 1 : 0), 0, columns);
    const int64_t first = lower ? 0 : edge, count = lower ? edge : columns - edge;
    if (count == 0) continue;
    Expr reached = position >= static_cast<double>(start);
    row = select(reached, number(r), row);
    column = select(reached, position - static_cast<double>(start - first), column);
    start += count;
  }
  if (!l.require(start == shape.sizes[1])) return;
  Expr whole = b.update(b.empty(dtype, shape), narrowed(shape, 0, 0, 1), cast(dtype, row));
  l.set(b.update(whole, narrowed(shape, 0, 1, 1), cast(dtype, column)));
}

}  // namespace braze
