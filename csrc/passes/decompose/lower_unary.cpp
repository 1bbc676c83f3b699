// Operators of one tensor, element by element. Formulas follow ATen's vectorised CPU kernels step by step.
#include <cmath>
#include <limits>

#include "passes/decompose/aten.h"

namespace braze {
namespace {

Expr sign(const Expr& x) { return select(x > 0, like(x, 1), like(x, 0)) - select(x < 0, like(x, 1), like(x, 0)); }

void round_decimals(Lowering& l, const Expr& x, DType dtype) {
  const int64_t decimals = l.integer(1);
  l.require(is_floating(dtype) && opmath(dtype) == dtype);
  if (decimals == 0) return l.set(apply(Op::round_, x), dtype);
  const double power = std::pow(10.0, static_cast<double>(std::abs(decimals)));
  l.set(decimals > 0 ? apply(Op::round_, x * power) / power : apply(Op::round_, x / power) * power, dtype);
}

/// asinh and acosh, whose vector code squares the operand: an f64 too large for that is far beyond where they are the
/// logarithm of its double.
Expr area_function(Op op, const Expr& x) {
  Expr made = apply(op, x);
  if (x.dtype() != DType::f64) return made;
  Expr size = apply(Op::abs_, x);
  Expr far = apply(Op::log_, size) + M_LN2;
  return select(op == Op::acosh_ ? x > 1e150 : size > 1e150, apply(Op::copysign_, far, x), made);
}

}  // namespace

/// Operators that keep the dtype of their operand, integers included.
void lower_unary(Lowering& l) {
  const DType dtype = l.dtype(0);
  const std::string_view name = l.name();
  Expr x = l.in(0, dtype);
  if (l.overload() == "decimals" || l.overload() == "decimals_out") return round_decimals(l, x, dtype);
  if (dtype == DType::b1) {
    l.require(name == "sign" || name == "sgn");
    return l.set(x, dtype);
  }
  if (name == "abs") return l.set(apply(Op::abs_, x), dtype);
  if (name == "neg") return l.set(-x, dtype);
  if (name == "sign" || name == "sgn") return l.set(sign(x), dtype);
  if (name == "relu") return l.set(select(x < 0, like(x, 0), x), dtype);
  if (name == "positive") return l.set(x, dtype);
  if (name == "frac") {
    l.require(is_floating(dtype));
    return l.set(x - apply(Op::trunc_, x), dtype);
  }
  if (!is_floating(dtype)) return l.set(x, dtype);  // rounding an integer
  l.set(apply(*op_from_name(name == "fix" ? "trunc" : name), x), dtype);
}

/// Operators that give floats: integers are computed at the default dtype.
void lower_float_unary(Lowering& l) {
  const DType dtype = l.floating(l.dtype(0));
  Expr x = l.in(0, dtype);
  const std::string_view name = l.name();
  if (name == "rsqrt") return l.set(1.0 / apply(Op::sqrt_, x), dtype);
  if (name == "reciprocal") return l.set(1.0 / x, dtype);
  if (name == "sigmoid") return l.set(1.0 / (1.0 + apply(Op::exp_, 0.0 - x)), dtype);
  if (name == "deg2rad") return l.set(x * (M_PI / 180.0), dtype);
  if (name == "rad2deg") return l.set(x * (180.0 / M_PI), dtype);
  const Op op = *op_from_name(name);
  l.set(op == Op::asinh_ || op == Op::acosh_ ? area_function(op, x) : apply(op, x), dtype);
}

void lower_angle(Lowering& l) {
  const DType source = l.dtype(0), dtype = l.floating(source);
  Expr x = l.in(0, dtype);
  Expr angle = select(x < 0, like(x, M_PI), like(x, 0));
  l.set(is_floating(source) ? select(apply(Op::is_nan_, x), x, angle) : angle, dtype);
}

void lower_sinc(Lowering& l) {
  const DType dtype = l.floating(l.dtype(0));
  Expr x = l.in(0, dtype);
  Expr product = x * M_PI;
  l.set(select(x == 0, like(x, 1), apply(Op::sin_, product) / product), dtype);
}

/// -x log x, 0 at 0, and no entropy below.
void lower_entr(Lowering& l) {
  const DType dtype = l.floating(l.dtype(0));
  Expr x = l.in(0, dtype);
  Expr rest = select(x == 0, like(x, 0), like(x, -std::numeric_limits<double>::infinity()));
  Expr entropy = select(x > 0, -x * apply(Op::log_, x), rest);
  l.set(select(apply(Op::is_nan_, x), x, entropy), dtype);
}

/// (self, eps)
void lower_logit(Lowering& l) {
  const DType dtype = l.dtype(0);
  l.require(opmath(dtype) == dtype && is_floating(dtype));
  Expr x = l.in(0, dtype);
  if (!l.is_none(1)) {
    Expr low = l.in(1, dtype), high = 1.0 - low;
    x = select(x < low, low, select(x > high, high, x));
  }
  l.set(apply(Op::log_, x / (1.0 - x)), dtype);
}

/// Questions about one number, answered in b1.
void lower_test(Lowering& l) {
  const DType dtype = l.dtype(0);
  const double inf = std::numeric_limits<double>::infinity();
  const std::string_view name = l.name();
  Expr x = l.in(0, dtype);
  if (!is_floating(dtype)) {
    l.require(dtype != DType::b1 || name != "signbit");
    return l.set(name == "signbit" ? x < 0 : l.builder().integer(DType::b1, 0), DType::b1);
  }
  if (name == "isnan") return l.set(apply(Op::is_nan_, x), DType::b1);
  if (name == "isinf") return l.set(apply(Op::abs_, x) == inf, DType::b1);
  if (name == "isposinf") return l.set(x == inf, DType::b1);
  if (name == "isneginf") return l.set(x == -inf, DType::b1);
  l.set(apply(Op::copysign_, like(x, 1), x) < 0, DType::b1);
}

void lower_logical_not(Lowering& l) { l.set(l.in(0, l.dtype(0)) == 0, DType::b1); }

void lower_bitwise_not(Lowering& l) {
  const DType dtype = l.dtype(0);
  l.require(is_integral(dtype));
  l.set(apply(Op::not_, l.in(0, dtype)), dtype);
}

void lower_nan_to_num(Lowering& l) {
  const DType dtype = l.dtype(0);
  Expr x = l.in(0, dtype);
  if (!is_floating(dtype)) return l.set(x, dtype);
  const double inf = std::numeric_limits<double>::infinity();
  double largest = dtype == DType::f64    ? std::numeric_limits<double>::max()
                   : dtype == DType::f32  ? std::numeric_limits<float>::max()
                   : dtype == DType::bf16 ? 0x1.fep127
                                          : 65504.0;
  auto replacement = [&](size_t i, double otherwise) {
    return like(x, l.is_none(i) ? otherwise : cast(dtype, l.raw(i)).number().as_double());
  };
  for (size_t i = 1; i < 4; ++i)
    if (!l.require(l.is_none(i) || l.is_number(i))) return;
  Expr no_nan = select(apply(Op::is_nan_, x), replacement(1, 0), x);
  Expr no_inf = select(x == inf, replacement(2, largest), no_nan);
  l.set(select(x == -inf, replacement(3, -largest), no_inf), dtype);
}

}  // namespace braze
