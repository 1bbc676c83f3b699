// Gradients of activations and softmax, as ATen's CPU kernels compute them.
#include <cmath>

#include "passes/decompose/aten.h"

namespace braze {
namespace {

DType same_floating_dtype(Lowering& l) {
  const DType dtype = l.dtype(0);
  l.require(is_floating(dtype) && l.dtype(1) == dtype);
  return dtype;
}

}  // namespace

void lower_pointwise_backward(Lowering& l) {
  const DType dtype = same_floating_dtype(l);
  const std::string_view name = l.name();
  Expr grad = l.in(0, dtype), x = l.in(1, dtype);
  if (name == "threshold_backward") return l.set(select(x <= l.in(2, dtype), like(x, 0), grad), dtype);
  if (name == "sigmoid_backward") return l.set(grad * (1.0 - x) * x, dtype);
  if (name == "tanh_backward") return l.set(grad * fma(-x, x, like(x, 1)), dtype);
  Expr nothing = like(x, 0);
  if (name == "leaky_relu_backward") return l.set(select(x > 0, grad, grad * l.coefficient(2, dtype)), dtype);
  if (name == "hardtanh_backward") {
    Expr outside = either(x <= l.in(2, dtype), x >= l.in(3, dtype));
    return l.set(select(outside, nothing, grad), dtype);
  }
  if (name == "hardsigmoid_backward")
    return l.set(select(both(x > -3, x < 3), grad * static_cast<double>(1.0f / 6.0f), nothing), dtype);
  if (name == "hardswish_backward") {
    Expr inside = grad * (x / 3 + 0.5);
    return l.set(select(x <= -3, nothing, select(x < 3, inside, grad)), dtype);
  }
  Expr sigmoid = 1.0 / (1.0 + apply(Op::exp_, -x));
  l.set(grad * sigmoid * fma(x, 1.0 - sigmoid, like(x, 1)), dtype);
}

/// (grad, mask, scale)
void lower_dropout_backward(Lowering& l) {
  const DType dtype = l.dtype(0);
  l.require(is_floating(dtype) && opmath(dtype) == dtype && l.dtype(1) == DType::b1);
  l.set(l.in(0, dtype) * (cast(dtype, l.raw(1)) * l.coefficient(2, dtype)), dtype);
}

void lower_gelu_backward(Lowering& l) {
  const DType dtype = same_floating_dtype(l);
  Expr grad = l.in(0, dtype), x = l.in(1, dtype);
  if (l.text(2) == "tanh") {
    const double beta = M_SQRT2 * M_2_SQRTPI * 0.5, kappa = 0.044715;
    Expr square = x * x, cube = square * x;
    Expr tanh_inner = apply(Op::tanh_, beta * (x + kappa * cube));
    Expr left = 0.5 * x, right = 1.0 + tanh_inner;
    Expr left_derivative = 0.5 * right;
    Expr tanh_derivative = 1.0 - tanh_inner * tanh_inner;
    Expr inner_derivative = beta * (1.0 + (3 * kappa) * square);
    return l.set(grad * (left_derivative + left * tanh_derivative * inner_derivative), dtype);
  }
  l.require(l.text(2) == "none");
  Expr cdf = 0.5 * (1.0 + apply(Op::erf_, x * M_SQRT1_2));
  Expr pdf = (M_2_SQRTPI * M_SQRT1_2 * 0.5) * apply(Op::exp_, x * x * -0.5);
  l.set(grad * fma(x, pdf, cdf), dtype);
}

/// (grad, output, dim, input_dtype)
void lower_softmax_backward(Lowering& l) {
  const DType dtype = same_floating_dtype(l);
  l.require(l.dtype_argument(3) == dtype && !l.sizes(0).empty() && opmath(dtype) == dtype);
  const int dim = l.dim(2, l.sizes(0).size());
  Expr grad = l.in(0, dtype), output = l.in(1, dtype);
  if (l.refused()) return;
  if (l.name() == "_softmax_backward_data") {
    Expr sum = l.builder().reduce(Op::sum_, grad * output, {dim});
    return l.set((grad - sum) * output, dtype);
  }
  Expr sum = l.builder().reduce(Op::sum_, grad, {dim});
  l.set(grad - apply(Op::exp_, output) * sum, dtype);
}

}  // namespace braze
