// Derivatives of the gamma function's logarithm, its sums, and the error function's tails. Textbook series (Abramowitz
// and Stegun, 6.1, 6.3, 6.4, 7.1, 26.2) at f64, for operands of fewer digits: what the series leave out is far below
// the last place of a float. lgamma, erfinv and ndtri are PyTorch's, whose vector code is faster.
#include <cmath>
#include <limits>

#include "passes/decompose/aten.h"

namespace braze {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kBernoulli[] = {1.0 / 6, -1.0 / 30, 1.0 / 42, -1.0 / 30, 5.0 / 66, -691.0 / 2730};  // B_2, B_4, ...
constexpr int kShift = 8;  // asymptotic series start at arguments of this size

/// The dtype eager computes at; nothing wider than f32.
DType narrow_dtype(Lowering& l, size_t i) {
  const DType dtype = l.floating(l.dtype(i));
  l.require(dtype != DType::f64);
  return dtype;
}

Expr wide(Lowering& l, size_t i, DType dtype) { return cast(DType::f64, l.in(i, dtype)); }

void set_narrow(Lowering& l, const Expr& x, DType dtype) { l.set(cast(opmath(dtype), x), dtype); }

Expr log(const Expr& x) { return apply(Op::log_, x); }

/// Sums numbers[k] * x^k.
template <size_t N>
Expr polynomial(const double (&numbers)[N], const Expr& x) {
  Expr sum = like(x, numbers[N - 1]);
  for (size_t k = N - 1; k-- > 0;) sum = numbers[k] + x * sum;
  return sum;
}

/// Of a number above 0.
Expr log_gamma_of_positive(const Expr& x) {
  Expr product = x;
  for (int j = 1; j < kShift; ++j) product = product * (x + static_cast<double>(j));
  Expr is_small = x < kShift;
  Expr y = select(is_small, x + static_cast<double>(kShift), x);
  double numbers[std::size(kBernoulli)];
  for (size_t k = 0; k < std::size(kBernoulli); ++k)
    numbers[k] = kBernoulli[k] / static_cast<double>((2 * k + 2) * (2 * k + 1));
  Expr inverse = 1.0 / y;
  Expr stirling = (y - 0.5) * log(y) - y + 0.5 * std::log(2 * M_PI) + inverse * polynomial(numbers, inverse * inverse);
  return stirling - log(select(is_small, product, like(x, 1)));
}

/// Of a number above 0; the derivative of log_gamma_of_positive.
Expr digamma_of_positive(const Expr& x) {
  Expr sum = 1.0 / x;
  for (int j = 1; j < kShift; ++j) sum = sum + 1.0 / (x + static_cast<double>(j));
  double numbers[std::size(kBernoulli)];
  for (size_t k = 0; k < std::size(kBernoulli); ++k) numbers[k] = kBernoulli[k] / static_cast<double>(2 * k + 2);
  Expr y = x + static_cast<double>(kShift), inverse = 1.0 / y;
  Expr square = inverse * inverse;
  return log(y) - 0.5 * inverse - square * polynomial(numbers, square) - sum;
}

Expr digamma(const Expr& x) {
  Expr is_negative = x < 0, whole = apply(Op::trunc_, x);
  Expr of_positive = digamma_of_positive(select(is_negative, 1.0 - x, x));
  Expr reflected = of_positive - M_PI / apply(Op::tan_, M_PI * (x - whole));
  Expr pole = select(x == 0, apply(Op::copysign_, like(x, kInfinity), -x), like(x, kNaN));
  Expr is_pole = either(x == 0, both(is_negative, x == whole));
  return select(is_pole, pole, select(is_negative, reflected, of_positive));
}

/// The n-th derivative of digamma at a number above 0, but for its sign.
Expr polygamma_of_positive(int n, const Expr& x) {
  auto power = [](const Expr& base, int exponent) {
    Expr result = base;
    for (int i = 1; i < exponent; ++i) result = result * base;
    return result;
  };
  auto factorial = [](int k) { return std::tgamma(k + 1.0); };
  Expr sum = 1.0 / power(x, n + 1);
  for (int j = 1; j < kShift; ++j) sum = sum + 1.0 / power(x + static_cast<double>(j), n + 1);
  double numbers[std::size(kBernoulli)];
  for (size_t k = 0; k < std::size(kBernoulli); ++k) {
    const int twice = static_cast<int>(2 * k + 2);
    numbers[k] = kBernoulli[k] * factorial(twice + n - 1) / factorial(twice);
  }
  Expr inverse = 1.0 / (x + static_cast<double>(kShift));
  Expr square = inverse * inverse;
  Expr tail = factorial(n - 1) + inverse * (0.5 * factorial(n)) + square * polynomial(numbers, square);
  return factorial(n) * sum + power(inverse, n) * tail;
}

/// exp(x^2) erfc(x)
Expr scaled_erfc(const Expr& x) {
  constexpr double kNumbers[] = {1, -1.0 / 2, 3.0 / 4, -15.0 / 8, 105.0 / 16, -945.0 / 32};
  Expr far = (1 / std::sqrt(M_PI)) / x * polynomial(kNumbers, 1.0 / (x * x));
  return select(x > 12, far, apply(Op::exp_, x * x) * apply(Op::erfc_, x));
}

}  // namespace

/// digamma, special_erfcx and special_log_ndtr
void lower_gamma_or_error(Lowering& l) {
  const DType dtype = narrow_dtype(l, 0);
  if (l.refused()) return;
  Expr x = wide(l, 0, dtype);
  if (l.name() == "digamma") return set_narrow(l, digamma(x), dtype);
  if (l.name() == "special_erfcx") return set_narrow(l, scaled_erfc(x), dtype);
  Expr t = x * M_SQRT1_2, half = 0.5 * apply(Op::erfc_, t);
  set_narrow(l, select(x < -1, log(0.5 * scaled_erfc(-t)) - t * t, apply(Op::log1p_, -half)), dtype);
}

/// (n, self): digamma and its first derivative. Of higher ones eager leaves numbers below 0 undecided.
void lower_polygamma(Lowering& l) {
  const int64_t n = l.integer(0);
  const DType dtype = narrow_dtype(l, 1);
  if (l.refused() || !l.require(n == 0 || n == 1)) return;
  Expr x = wide(l, 1, dtype);
  if (n == 0) return set_narrow(l, digamma(x), dtype);
  // Below one half eager reflects with a sine taken at the operand's own precision.
  Expr narrow = l.in(1, dtype);
  Expr sine = cast(DType::f64, apply(Op::sin_, narrow * M_PI)), is_low = x < 0.5;
  Expr value = polygamma_of_positive(1, select(is_low, 1.0 - x, x));
  set_narrow(l, select(is_low, M_PI * M_PI / (sine * sine) - value, value), dtype);
}

/// (self, p): an element must be above (p - 1) / 2.
void lower_mvlgamma(Lowering& l) {
  constexpr int64_t kHighest = 8;
  const DType dtype = narrow_dtype(l, 0);
  const int64_t p = l.integer(1);
  l.require(opmath(dtype) == dtype && p >= 1 && p <= kHighest);
  if (l.refused()) return;
  const double order = static_cast<double>(p);
  Expr x = wide(l, 0, dtype), sum = like(x, order * (order - 1) / 4 * std::log(M_PI));
  for (int64_t i = 0; i < p; ++i) sum = sum + log_gamma_of_positive(x - 0.5 * static_cast<double>(i));
  set_narrow(l, l.checked(x > 0.5 * (order - 1), sum, 0), dtype);
}

}  // namespace braze
