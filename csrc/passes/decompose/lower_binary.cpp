// Operators of two tensors (or a tensor and a number), element by element, at torch's common dtype.
#include <cmath>
#include <limits>

#include "passes/decompose/aten.h"

namespace braze {
namespace {

bool is_half(DType dtype) { return info(dtype).kind == DTypeKind::Half; }

/// mul and div read a single number beside a half tensor without rounding it to half, except mul_.Scalar, which makes a
/// half of it.
Expr second(Lowering& l, DType common) {
  Expr y = l.raw(1);
  const bool rounds = l.is_in_place() && l.name() == "mul" && l.overload().starts_with("Scalar");
  return is_half(common) && y.numel() == 1 && !rounds ? cast(opmath(common), y) : l.in(1, common);
}

/// C's remainder with the sign of the divisor.
Expr python_modulo(const Expr& x, const Expr& y) {
  Expr mod = apply(Op::fmod_, x, y);
  Expr wrong_sign = both(mod != 0, apply(Op::xor_, y < 0, mod < 0));
  return select(wrong_sign, mod + y, mod);
}

Expr python_floor_div(const Expr& x, const Expr& y) {
  Expr mod = apply(Op::fmod_, x, y);
  Expr exact = (x - mod) / y;
  Expr div = select(both(mod != 0, apply(Op::xor_, y < 0, mod < 0)), exact - 1, exact);
  Expr floor = apply(Op::floor_, div);
  Expr nearest = select(div - floor > 0.5, floor + 1, floor);
  Expr signed_zero = apply(Op::copysign_, like(x, 0), x / y);
  return select(y == 0, x / y, select(div == 0, signed_zero, nearest));
}

/// The divisor of an integer division, where eager raises on a zero.
Expr divisor(Lowering& l, DType common) {
  Expr y = l.in(1, common);
  if (y.is_number()) return l.require(y.number().as_int() != 0) ? y : like(y, 1);
  return l.checked(y != 0, y, 1);
}

Expr integer_floor_div(const Expr& x, const Expr& y) {
  Expr mod = apply(Op::fmod_, x, y), quotient = x / y;
  return select(both(mod != 0, apply(Op::xor_, y < 0, mod < 0)), quotient - 1, quotient);
}

Expr log_add_exp(const Expr& x, const Expr& y, Op exp, Expr (*log_one_plus)(const Expr&)) {
  Expr low = apply(Op::minimum_, x, y), high = apply(Op::maximum_, x, y);
  Expr both_infinite = both(x == y, apply(Op::abs_, x) == std::numeric_limits<double>::infinity());
  return select(both_infinite, x, log_one_plus(apply(exp, low - high)) + high);
}

}  // namespace

/// add and sub with their factor alpha on the second operand; rsub has its operands the other way round.
void lower_add(Lowering& l) {
  const DType common = l.common_dtype({0, 1});
  const bool reversed = l.name() == "rsub", subtracts = l.name() != "add";
  const bool plain = l.is_none(2) || l.real(2) == 1;
  if (common == DType::b1) {
    l.require(plain && !subtracts);
    return l.set(either(l.in(0, common), l.in(1, common)), common);
  }
  Expr self = l.in(0, common), other = l.in(1, common);
  const Expr& x = reversed ? other : self;
  const Expr& y = reversed ? self : other;
  if (plain) return l.set(subtracts ? x - y : x + y, common);
  l.require(l.is_number(2));
  Expr alpha = l.in(2, common);
  l.set(fma(y, subtracts ? -alpha : alpha, x), common);
}

void lower_binary(Lowering& l) {
  const std::string_view name = l.name();
  const DType common = l.common_dtype({0, 1});
  const bool floating = is_floating(common);
  Expr x = l.in(0, common);
  if (name == "mul") {
    if (common == DType::b1) return l.set(both(x, l.in(1, common)), common);
    return l.set(x * second(l, common), common);
  }
  Expr y = l.in(1, common);
  const bool largest = name == "maximum" || name == "fmax";
  if (name == "maximum" || name == "minimum" || (!floating && (name == "fmax" || name == "fmin"))) {
    if (common == DType::b1) return l.set(largest ? either(x, y) : both(x, y), common);
    return l.set(apply(largest ? Op::maximum_ : Op::minimum_, x, y), common);
  }
  if (!floating && !l.require(common != DType::b1 && (name == "fmod" || name == "remainder"))) return;
  if (!floating) y = divisor(l, common);
  if (name == "fmod") return l.set(apply(Op::fmod_, x, y), common);
  if (name == "remainder") return l.set(python_modulo(x, y), common);
  if (name == "hypot") return l.set(apply(Op::hypot_, x, y), common);
  if (name == "logaddexp")
    return l.set(log_add_exp(x, y, Op::exp_, [](const Expr& e) { return apply(Op::log1p_, e); }), common);
  if (name == "logaddexp2")
    return l.set(log_add_exp(x, y, Op::exp2_, [](const Expr& e) { return apply(Op::log2_, 1.0 + e); }), common);
  Expr best = apply(largest ? Op::maximum_ : Op::minimum_, x, y);
  l.set(select(apply(Op::is_nan_, x), y, select(apply(Op::is_nan_, y), x, best)), common);
}

/// Integers are computed at the default dtype.
void lower_float_binary(Lowering& l) {
  const DType common = l.floating(l.common_dtype({0, 1}));
  Expr x = l.in(0, common), y = l.in(1, common);
  if (l.name() == "atan2") return l.set(apply(Op::atan2_, x, y), common);
  if (l.name() == "copysign") return l.set(apply(Op::copysign_, x, y), common);
  const Op log = l.name() == "special_xlog1py" ? Op::log1p_ : Op::log_;
  Expr product = x * cast(opmath(common), cast(common, apply(log, y)));
  l.set(select(apply(Op::is_nan_, y), y, select(x == 0, like(x, 0), product)), common);
}

/// (self, values): a step from 0 to 1, and `values` where self is 0.
void lower_heaviside(Lowering& l) {
  const DType dtype = l.dtype(0);
  l.require(l.dtype(1) == dtype && dtype == l.result_dtype());
  Expr x = l.in(0, dtype);
  l.set(select(x == like(x, 0), l.in(1, dtype), cast(x.dtype(), x > like(x, 0))), dtype);
}

/// self times two to the power of other, which ATen computes as a float.
void lower_ldexp(Lowering& l) {
  const DType exponent = l.dtype(1), power = is_floating(exponent) ? exponent : DType::f32;
  const DType common = l.result_dtype();
  l.require(is_floating(exponent) || common != DType::f64);  // the default dtype may be another one
  l.require(opmath(power) == power && opmath(common) == common && is_floating(common));
  Expr two = apply(Op::pow_, l.builder().number(power, 2), l.in(1, power));
  l.set(l.in(0, common) * cast(common, two), common);
}

void lower_div(Lowering& l) {
  DType common = l.common_dtype({0, 1});
  std::string_view rounding = l.name() == "floor_divide" ? "floor" : l.is_none(2) ? "" : l.text(2);
  if (!rounding.empty()) {
    if (!l.require(common != DType::b1 && !is_half(common) && (rounding == "trunc" || rounding == "floor"))) return;
    Expr x = l.in(0, common);
    if (!is_floating(common)) {
      Expr y = divisor(l, common);
      return l.set(rounding == "trunc" ? x / y : integer_floor_div(x, y), common);
    }
    Expr y = l.in(1, common);
    return l.set(rounding == "trunc" ? apply(Op::trunc_, x / y) : python_floor_div(x, y), common);
  }
  common = l.floating(common);
  l.set(l.in(0, common) / second(l, common), common);
}

void lower_pow(Lowering& l) {
  const DType common = l.common_dtype({0, 1});
  if (!l.is_number(1)) {
    l.require(is_floating(common) && !(l.is_number(0) && l.real(0) == 1));
    return l.set(apply(Op::pow_, l.in(0, common), l.in(1, common)), common);
  }
  if (!l.require(l.is_memory(0))) return;
  const double exponent = l.real(1);
  const bool integral = !is_floating(common);
  Expr x = l.in(0, common);
  l.require(common != DType::b1);
  if (exponent == 0) return l.set(like(x, 1), common);
  if (exponent == 1) return l.set(x, common);
  if (exponent == 2) return l.set(x * x, common);
  Expr square = cast(opmath(common), cast(common, x * x));  // eager multiplies halves as halves
  if (exponent == 3) return l.set(square * x, common);
  if (integral) {
    l.require(exponent > 0 && exponent < 64);
    return l.set(apply(Op::pow_, x, like(x, exponent)), common);
  }
  if (exponent == 0.5) return l.set(apply(Op::sqrt_, x), common);
  if (exponent == -0.5) return l.set(1.0 / apply(Op::sqrt_, x), common);
  if (exponent == -1) return l.set(1.0 / x, common);
  if (exponent == -2) return l.set(1.0 / square, common);
  l.require(!is_half(common));
  l.set(apply(Op::pow_, x, l.in(1, common)), common);
}

void lower_compare(Lowering& l) {
  const DType common = l.common_dtype({0, 1});
  // An integer tensor beside a float number is compared at the default dtype, which the result does not show.
  for (size_t i : {0, 1})
    l.require(!(l.is_number(i) && is_floating(l.raw(i).dtype()) && is_integral(l.raw(1 - i).dtype())));
  l.set(apply(*op_from_name(l.name()), l.in(0, common), l.in(1, common)), DType::b1);
}

void lower_logical(Lowering& l) {
  auto truth = [&](size_t i) { return cast(DType::b1, l.is_number(i) ? l.raw(i) : l.in(i, l.dtype(i))); };
  const Op op = l.name() == "logical_and" ? Op::and_ : l.name() == "logical_or" ? Op::or_ : Op::xor_;
  l.set(apply(op, truth(0), truth(1)), DType::b1);
}

void lower_bitwise(Lowering& l) {
  const DType common = l.common_dtype({0, 1});
  const std::string_view name = l.name();
  const bool shifts = name.find("shift") != name.npos;
  l.require(is_integral(common) && !(shifts && common == DType::b1));
  const bool left = name.find("left") != name.npos || name.find("lshift") != name.npos;
  const Op op = shifts                          ? (left ? Op::shl_ : Op::shr_)
                : name.find("and") != name.npos ? Op::and_
                : name.find("xor") != name.npos ? Op::xor_
                                                : Op::or_;
  l.set(apply(op, l.in(0, common), l.in(1, common)), common);
}

}  // namespace braze
