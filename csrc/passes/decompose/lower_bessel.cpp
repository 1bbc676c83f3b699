// Modified Bessel functions of order 0 and 1: the power series for small arguments, the asymptotic one for large
// (Abramowitz and Stegun, 9.6 and 9.7), at f64 for operands of fewer digits.
#include <cmath>
#include <limits>

#include "passes/decompose/aten.h"

namespace braze {
namespace {

constexpr double kFar = 10;  // where the asymptotic series takes over
constexpr int kTerms = 30;   // of the power series
constexpr int kAsymptoticTerms = 12;
constexpr double kEulerGamma = 0.57721566490153286061;

/// Sums numbers(k) q^k / (k! (k + order)!), with q a quarter of the square.
template <typename Numbers>
Expr power_series(const Expr& quarter_square, int order, Numbers numbers) {
  Expr sum = like(quarter_square, numbers(kTerms));
  for (int k = kTerms; k > 0; --k) sum = numbers(k - 1) + sum * (quarter_square / static_cast<double>(k * (k + order)));
  return sum;
}

/// 1 + s a_1 / x + s^2 a_2 / x^2 ..., which is all of I (s = -1) or K (s = 1) but for an exponential and a root.
Expr asymptotic_series(const Expr& x, int order, double sign) {
  Expr sum = like(x, 1), inverse = sign / x;
  for (int k = kAsymptoticTerms; k > 0; --k) {
    const double odd = 2 * k - 1;
    sum = 1.0 + sum * inverse * ((4.0 * order * order - odd * odd) / (8 * k));
  }
  return sum;
}

Expr exp(const Expr& x) { return apply(Op::exp_, x); }

/// Of a number from 0 on; `scaled` by exp(-x).
Expr first_kind(const Expr& x, int order, bool scaled) {
  Expr near = power_series(x * x * 0.25, order, [](int) { return 1.0; });
  if (order == 1) near = near * x * 0.5;
  Expr far = asymptotic_series(x, order, -1) / apply(Op::sqrt_, 2 * M_PI * x);
  if (scaled) return select(x < kFar, near * exp(-x), far);
  // Eager multiplies by an exponential of f32, which is infinite before the product is.
  Expr growth = exp(x);
  growth = select(growth > std::numeric_limits<float>::max(), like(x, std::numeric_limits<double>::infinity()), growth);
  return select(x < kFar, near, far * growth);
}

/// Of a number above 0; `scaled` by exp(x).
Expr second_kind(const Expr& x, int order, bool scaled) {
  auto harmonic = [](int k) {
    double sum = 0;
    for (int i = 1; i <= k; ++i) sum += 1.0 / i;
    return sum;
  };
  Expr quarter_square = x * x * 0.25, logarithm = apply(Op::log_, 0.5 * x);
  Expr near = like(x, 0);
  if (order == 0) {
    near = power_series(quarter_square, 0, harmonic) - (logarithm + kEulerGamma) * first_kind(x, 0, false);
  } else {
    Expr rest = power_series(quarter_square, 1, [&](int k) { return harmonic(k) + harmonic(k + 1) - 2 * kEulerGamma; });
    near = 1.0 / x + logarithm * first_kind(x, 1, false) - 0.25 * x * rest;
  }
  Expr far = asymptotic_series(x, order, 1) * apply(Op::sqrt_, (0.5 * M_PI) / x);
  if (scaled) return select(x < kFar, near * exp(x), far);
  return select(x < kFar, near, far * exp(-x));
}

}  // namespace

/// i0 and special_{i0e, i1, modified_bessel_i0, ..., scaled_modified_bessel_k1}, by their names: the kind, the
/// order, and whether the exponential is taken off.
void lower_modified_bessel(Lowering& l) {
  const DType dtype = l.floating(l.dtype(0));
  l.require(dtype != DType::f64);
  if (l.refused()) return;
  const std::string_view name = l.name();
  const bool scaled = name.ends_with("e") || name.find("scaled") != std::string_view::npos;
  const int order = name.find('1') != std::string_view::npos ? 1 : 0;
  Expr x = cast(DType::f64, l.in(0, dtype));
  if (name.find("_k") == std::string_view::npos) {
    Expr value = first_kind(apply(Op::abs_, x), order, scaled);
    return l.set(cast(opmath(dtype), order == 1 ? select(x < 0, -value, value) : value), dtype);
  }
  Expr value = second_kind(x, order, scaled);
  value = select(x == 0, like(x, std::numeric_limits<double>::infinity()), value);
  value = select(x < 0, like(x, std::numeric_limits<double>::quiet_NaN()), value);
  l.set(cast(opmath(dtype), value), dtype);
}

}  // namespace braze
