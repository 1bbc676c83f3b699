// softmax and log_softmax along one dim.
#include <cmath>

#include "passes/decompose/aten.h"

namespace braze {

/// (self, dim, half_to_float)
void lower_softmax(Lowering& l) {
  const DType dtype = l.dtype(0);
  const DType target = l.flag(2) ? DType::f32 : dtype;
  const size_t rank = l.sizes(0).size();
  const int dim = l.dim(1, rank);
  l.require(is_floating(dtype) && rank > 0);
  Expr x = l.in(0, dtype);
  if (!l.require(!l.refused() && x.numel() > 0)) return;
  Expr shifted = x - l.builder().reduce(Op::max_, x, {dim});
  Expr powers = apply(Op::exp_, shifted);
  Expr total = l.builder().reduce(Op::sum_, powers, {dim});
  l.set(l.name() == "_softmax" ? powers / total : shifted - apply(Op::log_, total), target);
}

/// (self, dim, dtype): as softmax, but a row of nothing but -inf gives zeros.
void lower_safe_softmax(Lowering& l) {
  const DType dtype = l.dtype(0);
  const size_t rank = l.sizes(0).size();
  const int dim = l.dim(1, rank);
  l.require(is_floating(dtype) && rank > 0 && l.dtype_argument(2).value_or(dtype) == dtype && opmath(dtype) == dtype);
  Expr x = l.in(0, dtype);
  if (!l.require(!l.refused() && x.numel() > 0)) return;
  Expr largest = l.builder().reduce(Op::max_, x, {dim});
  Expr powers = apply(Op::exp_, x - largest);
  Expr total = l.builder().reduce(Op::sum_, powers, {dim});
  l.set(select(largest == -HUGE_VAL, like(x, 0), powers / total), dtype);
}

}  // namespace braze
