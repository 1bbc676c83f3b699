// Activation functions, in the order of operations of ATen's vectorised CPU kernels.
#include <cmath>

#include "graph/geometry.h"
#include "passes/decompose/aten.h"

namespace braze {
namespace {

DType floating_dtype(Lowering& l, size_t i) {
  const DType dtype = l.dtype(i);
  l.require(is_floating(dtype));
  return dtype;
}

Expr exp(const Expr& x) { return apply(Op::exp_, x); }
Expr tanh(const Expr& x) { return apply(Op::tanh_, x); }

Expr clamped(const Expr& x, double low, double high) {
  return apply(Op::minimum_, apply(Op::maximum_, x, like(x, low)), like(x, high));
}

}  // namespace

void lower_gelu(Lowering& l) {
  const DType dtype = floating_dtype(l, 0);
  Expr x = l.in(0, dtype);
  if (l.text(1) == "tanh") {
    Expr cube = x * x * x;
    Expr inner = (M_SQRT2 * M_2_SQRTPI * 0.5) * fma(like(x, 0.044715), cube, x);
    return l.set(0.5 * x * (1.0 + tanh(inner)), dtype);
  }
  l.require(l.text(1) == "none");
  l.set(x * 0.5 * (1.0 + apply(Op::erf_, x * M_SQRT1_2)), dtype);
}

void lower_activation(Lowering& l) {
  const DType dtype = floating_dtype(l, 0);
  const std::string_view name = l.name();
  Expr x = l.in(0, dtype);
  if (name == "silu") return l.set(x / (1.0 + exp(-x)), dtype);
  if (name == "mish") return l.set(x * tanh(apply(Op::log1p_, exp(x))), dtype);
  if (name == "hardswish") return l.set(x * clamped(x + 3, 0, 6) / 6, dtype);
  l.set(clamped(x + 3, 0, 6) / 6, dtype);
}

void lower_leaky_relu(Lowering& l) {
  const DType dtype = floating_dtype(l, 0);
  Expr x = l.in(0, dtype);
  l.set(select(x > 0, x, x * l.coefficient(1, dtype)), dtype);
}

void lower_elu(Lowering& l) {
  const DType dtype = floating_dtype(l, 0);
  Expr x = l.in(0, dtype);
  Expr alpha = l.coefficient(1, dtype), scale = l.coefficient(2, dtype), input_scale = l.coefficient(3, dtype);
  l.set(select(x < 0, apply(Op::expm1_, x * input_scale) * (alpha * scale), x * scale), dtype);
}

/// (self, alpha), which ATen computes as elu with the inverse as its input scale, rounded to f64.
void lower_celu(Lowering& l) {
  const DType dtype = floating_dtype(l, 0);
  Expr x = l.in(0, dtype);
  const double alpha = l.is_none(1) ? 1 : l.real(1);
  if (!l.require(alpha != 0)) return;
  l.set(select(x < 0, apply(Op::expm1_, x * like(x, 1 / alpha)) * alpha, x), dtype);
}

void lower_softplus(Lowering& l) {
  const DType dtype = floating_dtype(l, 0);
  Expr x = l.in(0, dtype);
  Expr beta = l.coefficient(1, dtype), threshold = l.coefficient(2, dtype);
  Expr scaled = x * beta;
  l.set(select(scaled > threshold, x, apply(Op::log1p_, exp(scaled)) / beta), dtype);
}

/// The second result is the buffer the backward reads: exp(-|x|).
void lower_log_sigmoid(Lowering& l) {
  const DType dtype = floating_dtype(l, 0);
  Expr x = l.in(0, dtype);
  Expr buffer = exp(-apply(Op::abs_, x));
  l.set(0, select(x < 0, x, like(x, 0)) - apply(Op::log1p_, buffer), dtype);
  if (l.wanted(1)) l.set(1, buffer, dtype);
}

void lower_threshold(Lowering& l) {
  const DType dtype = l.dtype(0);
  l.require(dtype != DType::b1);
  Expr x = l.in(0, dtype);
  l.set(select(x <= l.in(1, dtype), l.in(2, dtype), x), dtype);
}

void lower_hardshrink(Lowering& l) {
  const DType dtype = floating_dtype(l, 0);
  Expr x = l.in(0, dtype);
  Expr lambda = l.in(1, dtype);
  l.set(select(both(x >= -lambda, x <= lambda), like(x, 0), x), dtype);
}

void lower_softshrink(Lowering& l) {
  const DType dtype = floating_dtype(l, 0);
  Expr x = l.in(0, dtype);
  Expr lambda = l.in(1, dtype);
  l.set(select(x > lambda, x - lambda, select(x < -lambda, x + lambda, x * 0)), dtype);
}

void lower_glu(Lowering& l) {
  const DType dtype = floating_dtype(l, 0);
  const Geometry& g = l.memory(0).geometry;
  const int dim = l.dim(1, g.sizes.size());
  if (!l.require(!g.sizes.empty() && g.sizes[dim] % 2 == 0)) return;
  const int64_t half = g.sizes[dim] / 2;
  auto part = [&](int64_t start) { return cast(opmath(dtype), l.raw(0).through(narrowed(g, dim, start, half))); };
  l.set(part(0) * (1.0 / (1.0 + exp(-part(half)))), dtype);
}

void lower_prelu(Lowering& l) {
  const DType dtype = floating_dtype(l, 0);
  l.require(l.dtype(1) == dtype);
  Expr x = l.in(0, dtype);
  l.set(select(x > 0, x, l.in(1, dtype) * x), dtype);
}

}  // namespace braze
