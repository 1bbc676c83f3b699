// Gradients of normalisation layers, as ATen's CPU kernels arrange them.
#include <algorithm>

#include "graph/geometry.h"
#include "passes/decompose/aten.h"

namespace braze {
namespace {

Expr sum(const Expr& x, const std::vector<int>& dims) { return x.builder().reduce(Op::sum_, x, dims); }

}  // namespace

/// (grad_out, input, normalized_shape, mean, rstd, weight, bias, output_mask) -> (grad_input, grad_weight, grad_bias)
void lower_layer_norm_backward(Lowering& l) {
  const DType dtype = l.dtype(1);
  const size_t rank = l.sizes(1).size(), inner = l.integers(2).size();
  l.require(is_floating(dtype) && opmath(dtype) == dtype && l.dtype(0) == dtype && inner > 0 && inner <= rank);
  if (l.refused()) return;
  std::vector<int> rows = all_dims(rank), columns(rows.end() - inner, rows.end());
  rows.resize(rank - inner);
  Expr grad = l.in(0, dtype), x = l.in(1, dtype), mean = l.in(3, dtype), rstd = l.in(4, dtype);
  if (!l.require(!l.refused() && x.numel() > 0)) return;
  double count = 1;
  for (int d : columns) count *= static_cast<double>(x.sizes()[d]);
  Expr scaled = l.is_none(5) ? grad : grad * l.in(5, dtype);
  if (l.wanted(0)) {
    Expr along_x = sum(scaled * x, columns), along = sum(scaled, columns);
    Expr slope = (along * mean - along_x) * rstd * rstd * rstd / count;
    Expr constant = -slope * mean - along * rstd / count;
    l.set(0, fma(rstd, scaled, fma(slope, x, constant)), dtype);
  }
  if (l.wanted(1)) l.set(1, sum(grad * ((x - mean) * rstd), rows), dtype);
  if (l.wanted(2)) l.set(2, sum(grad, rows), dtype);
}

/// (grad_out, input, weight, running_mean, running_var, save_mean, save_invstd, train, eps, output_mask)
///   -> (grad_input, grad_weight, grad_bias)
void lower_batch_norm_backward(Lowering& l) {
  const DType dtype = l.dtype(1);
  const size_t rank = l.sizes(1).size();
  const bool training = l.flag(7);
  l.require(is_floating(dtype) && opmath(dtype) == dtype && l.dtype(0) == dtype && rank >= 2);
  if (l.refused()) return;
  std::vector<int> dims = all_dims(rank);
  dims.erase(dims.begin() + 1);
  Expr grad = l.in(0, dtype), x = l.in(1, dtype);
  if (!l.require(x.numel() > 0)) return;
  const double count = static_cast<double>(x.numel() / x.sizes()[1]);
  Expr mean = l.channel_parameter(training ? 5 : 3, rank, dtype);
  Expr rstd = training ? l.channel_parameter(6, rank, dtype)
                       : 1.0 / apply(Op::sqrt_, l.channel_parameter(4, rank, dtype) + l.real(8));
  Expr total = sum(grad, dims), along = sum(grad * (x - mean), dims);
  if (l.wanted(0)) {
    Expr scale = l.is_none(2) ? rstd : rstd * l.channel_parameter(2, rank, dtype);
    Expr slope = along * rstd * rstd / count;
    l.set(0, training ? (grad - total / count - (x - mean) * slope) * scale : grad * scale, dtype);
  }
  if (l.wanted(1)) l.set(1, along * rstd, dtype);
  if (l.wanted(2)) l.set(2, total, dtype);
}

}  // namespace braze
