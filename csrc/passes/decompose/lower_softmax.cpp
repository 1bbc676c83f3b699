// softmax and log_softmax along one dim.
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

}  // namespace braze
