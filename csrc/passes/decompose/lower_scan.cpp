// Running sums, products and extrema along a short dim: a step of the scan a slice, each from the one before it.
#include <limits>

#include "graph/geometry.h"
#include "passes/decompose/aten.h"

namespace braze {
namespace {

constexpr int64_t kLongest = 16;

struct Scan {
  int dim = 0;
  int64_t count = 0;
};

Scan scan_of(Lowering& l) {
  l.require_one_size();
  const Geometry& g = l.memory(0).geometry;
  const int dim = l.dim(1, g.sizes.size());
  l.require(l.is_functional() && !g.sizes.empty() && g.numel() > 0);
  if (l.refused()) return {};
  l.require(g.sizes[dim] <= kLongest && g.sizes == l.result_sizes());
  return {dim, g.sizes[dim]};
}

Expr slice(Lowering& l, const Scan& scan, int64_t i, DType dtype) {
  return cast(dtype, l.raw(0).through(narrowed(l.memory(0).geometry, scan.dim, i, 1)));
}

}  // namespace

/// cumsum and cumprod (self, dim, dtype). ATen accumulates f32 at f64.
void lower_running_total(Lowering& l) {
  l.dtype(0);
  const Scan scan = scan_of(l);
  const DType dtype = l.result_dtype(), computed = is_floating(dtype) ? DType::f64 : dtype;
  l.require(opmath(dtype) == dtype && dtype != DType::b1);
  if (l.refused()) return;
  const Geometry shape = l.result_shape();
  Expr whole = l.builder().empty(dtype, shape), total = l.builder().number(computed, 0);
  for (int64_t i = 0; i < scan.count; ++i) {
    Expr x = cast(computed, slice(l, scan, i, dtype));
    total = i == 0 ? x : l.name() == "cumsum" ? total + x : total * x;
    whole = l.builder().update(whole, narrowed(shape, scan.dim, i, 1), cast(dtype, total));
  }
  l.set(whole);
}

/// (self, dim): the logarithm of a running sum of exponentials, each step as logaddexp.
void lower_running_logsumexp(Lowering& l) {
  const DType dtype = l.dtype(0);
  const Scan scan = scan_of(l);
  l.require(is_floating(dtype) && opmath(dtype) == dtype);
  if (l.refused()) return;
  const Geometry shape = l.result_shape();
  Expr whole = l.builder().empty(dtype, shape), total = l.builder().number(dtype, 0);
  for (int64_t i = 0; i < scan.count; ++i) {
    Expr x = slice(l, scan, i, dtype);
    if (i == 0) {
      total = x;
    } else {
      Expr high = apply(Op::maximum_, total, x), low = apply(Op::minimum_, total, x);
      Expr same_infinity = both(high == low, apply(Op::abs_, high) == std::numeric_limits<double>::infinity());
      total = select(same_infinity, high, high + apply(Op::log1p_, apply(Op::exp_, low - high)));
    }
    whole = l.builder().update(whole, narrowed(shape, scan.dim, i, 1), total);
  }
  l.set(whole);
}

/// cummax and cummin: (self, dim) -> (values, indices), the last of equal ones; a NaN stays.
void lower_running_extremum(Lowering& l) {
  const DType dtype = l.dtype(0), computed = opmath(dtype);
  const Scan scan = scan_of(l);
  l.require(dtype != DType::b1);
  if (l.refused()) return;
  const Op better = l.name() == "cummax" ? Op::ge_ : Op::le_;
  Builder& b = l.builder();
  Expr values = b.empty(dtype, l.result_shape(0)), places = b.empty(DType::i64, l.result_shape(1));
  Expr best = b.number(computed, 0), place = b.integer(DType::i64, 0);
  for (int64_t i = 0; i < scan.count; ++i) {
    Expr x = slice(l, scan, i, computed);
    if (i == 0) {
      best = x;
    } else {
      Expr wins = apply(better, x, best);
      if (is_floating(computed)) wins = either(wins, apply(Op::is_nan_, x));
      best = select(wins, x, best);
      place = select(wins, b.integer(DType::i64, i), place);
    }
    values = b.update(values, narrowed(l.result_shape(0), scan.dim, i, 1), best);
    places = b.update(places, narrowed(l.result_shape(1), scan.dim, i, 1), place);
  }
  l.set(0, values);
  if (l.wanted(1)) l.set(1, places);
}

}  // namespace braze
