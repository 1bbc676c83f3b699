// Operators of three operands, element by element.
#include <cmath>

#include "graph/geometry.h"
#include "passes/decompose/aten.h"

namespace braze {
namespace {

bool is_nan_number(const Expr& x) {
  return x.is_number() && is_floating(x.dtype()) && std::isnan(x.number().as_double());
}

}  // namespace

/// clamp, clamp_min, clamp_max and hardtanh: NaN stays NaN, and a low bound above the high one gives the high one.
void lower_clamp(Lowering& l) {
  size_t low = 1, high = 2;
  if (l.name() == "clamp_min") high = 3;
  if (l.name() == "clamp_max") low = 3, high = 1;
  const DType common = l.common_dtype({0, low, high});
  l.require(common != DType::b1);
  Expr x = l.in(0, common);
  for (size_t i : {low, high}) {
    if (l.is_none(i)) continue;
    Expr bound = l.in(i, common);
    l.require(!is_nan_number(bound));
    if (bound.is_number())
      x = i == low ? select(x < bound, bound, x) : select(x > bound, bound, x);
    else
      x = apply(i == low ? Op::maximum_ : Op::minimum_, x, bound);
  }
  l.set(x, common);
}

void lower_where(Lowering& l) {
  const DType common = l.common_dtype({1, 2});
  l.require(l.is_memory(0) && l.dtype(0) == DType::b1);
  l.set(select(l.raw(0), l.in(1, common), l.in(2, common)), common);
}

void lower_masked_fill(Lowering& l) {
  const DType dtype = l.dtype(0);
  l.require(l.dtype(1) == DType::b1);
  Expr value = l.is_number(2) ? cast(opmath(dtype), cast(dtype, l.raw(2))) : l.in(2, dtype);
  l.set(select(l.raw(1), value, l.in(0, dtype)), dtype);
}

void lower_lerp(Lowering& l) {
  const DType dtype = l.dtype(0);
  l.require(is_floating(dtype) && l.dtype(1) == dtype);
  Expr start = l.in(0, dtype), end = l.in(1, dtype);
  if (!l.is_number(2)) l.require(l.dtype(2) == dtype);
  Expr weight = l.is_number(2) ? l.coefficient(2, dtype) : l.in(2, dtype);
  Expr is_small = apply(Op::abs_, weight) < 0.5;
  l.set(fma(select(is_small, weight, weight - 1), end - start, select(is_small, start, end)), dtype);
}

/// addcmul and addcdiv: self + value * a * b, or self + value * a / b.
void lower_addcmul(Lowering& l) {
  const bool divides = l.name() == "addcdiv";
  const DType common = l.common_dtype({0, 1, 2});
  l.require(common != DType::b1 && !(divides && !is_floating(common)));
  Expr scaled = l.coefficient(3, common) * l.in(1, common);
  Expr other = l.in(2, common);
  l.set(divides ? l.in(0, common) + scaled / other : fma(scaled, other, l.in(0, common)), common);
}

/// (self, vec1, vec2, beta, alpha): beta * self + alpha * vec1 vec2^T
void lower_addr(Lowering& l) {
  const DType common = l.common_dtype({0, 1, 2});
  l.require(common != DType::b1 && opmath(common) == common && l.sizes(1).size() == 1 && l.sizes(2).size() == 1);
  if (l.refused()) return;
  Expr column = l.in(1, common), row = l.in(2, common);
  Expr scaled = l.coefficient(4, common) * column.through(unsqueezed(column.geometry(), 1));
  Expr beta = l.coefficient(3, common);
  if (l.refused() || !l.require(!scaled.is_number())) return;
  if (beta.number().as_double() == 0) return l.set(scaled * row, common);
  l.set(fma(scaled, row, beta * l.in(0, common)), common);
}

/// (self, other, dim): along a dim of three.
void lower_cross(Lowering& l) {
  const DType common = l.common_dtype({0, 1});
  const Geometry shape = l.result_shape();
  const int dim = l.dim(2, shape.sizes.size());
  l.require(l.is_functional() && common != DType::b1 && opmath(common) == common && common == l.result_dtype());
  if (l.refused() || !l.require(shape.numel() > 0 && shape.sizes[dim] == 3)) return;
  auto part = [&](size_t argument, int at) {
    auto seen = broadcast_to(l.memory(argument).geometry, shape.sizes);
    if (!l.require(seen.has_value())) return l.builder().refuse();
    return cast(common, l.raw(argument).through(narrowed(*seen, dim, at % 3, 1)));
  };
  Expr whole = l.builder().empty(common, shape);
  for (int at = 0; at < 3; ++at) {
    Expr product = fma(part(0, at + 1), part(1, at + 2), -(part(0, at + 2) * part(1, at + 1)));
    if (l.refused()) return;
    whole = l.builder().update(whole, narrowed(shape, dim, at, 1), product);
  }
  l.set(whole);
}

}  // namespace braze
