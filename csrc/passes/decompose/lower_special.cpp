// Special functions that are short formulas: orthogonal polynomials by their recurrences (Abramowitz and Stegun, table
// 22.7), and a few others.
#include <cmath>
#include <functional>
#include <limits>
#include <unordered_map>

#include "passes/decompose/aten.h"

namespace braze {
namespace {

constexpr int kHighestDegree = 12;

/// P_0 is 1, P_1 is `first`, and P_{k+1} comes of P_k and P_{k-1}.
struct Family {
  Expr (*first)(const Expr& x);
  Expr (*next)(double k, const Expr& x, const Expr& now, const Expr& before);
};

Expr chebyshev(double, const Expr& x, const Expr& now, const Expr& before) { return fma(x + x, now, -before); }

Expr shifted_chebyshev(double, const Expr& x, const Expr& now, const Expr& before) {
  Expr y = x + x - 1.0;
  return fma(y + y, now, -before);
}

const std::unordered_map<std::string_view, Family>& families() {
  static const std::unordered_map<std::string_view, Family> found = {
      {"special_chebyshev_polynomial_t", {[](const Expr& x) { return x; }, chebyshev}},
      {"special_chebyshev_polynomial_u", {[](const Expr& x) { return x + x; }, chebyshev}},
      {"special_chebyshev_polynomial_v", {[](const Expr& x) { return x + x - 1.0; }, chebyshev}},
      {"special_chebyshev_polynomial_w", {[](const Expr& x) { return x + x + 1.0; }, chebyshev}},
      {"special_shifted_chebyshev_polynomial_t", {[](const Expr& x) { return x + x - 1.0; }, shifted_chebyshev}},
      {"special_shifted_chebyshev_polynomial_u",
       {[](const Expr& x) { return (x + x - 1.0) + (x + x - 1.0); }, shifted_chebyshev}},
      {"special_shifted_chebyshev_polynomial_v",
       {[](const Expr& x) { return (x + x - 1.0) + (x + x - 1.0) - 1.0; }, shifted_chebyshev}},
      {"special_shifted_chebyshev_polynomial_w",
       {[](const Expr& x) { return (x + x - 1.0) + (x + x - 1.0) + 1.0; }, shifted_chebyshev}},
      {"special_hermite_polynomial_h",
       {[](const Expr& x) { return x + x; }, [](double k, const Expr& x, const Expr& now,
                                                const Expr& before) { return fma(x + x, now, -(2 * k * before)); }}},
      {"special_hermite_polynomial_he",
       {[](const Expr& x) { return x; },
        [](double k, const Expr& x, const Expr& now, const Expr& before) { return fma(x, now, -(k * before)); }}},
      {"special_laguerre_polynomial_l",
       {[](const Expr& x) { return 1.0 - x; },
        [](double k, const Expr& x, const Expr& now, const Expr& before) {
          return fma(2 * k + (1.0 - x), now, -(k * before)) / (k + 1);
        }}},
      {"special_legendre_polynomial_p",
       {[](const Expr& x) { return x; },
        [](double k, const Expr& x, const Expr& now, const Expr& before) {
          return fma((2 * k + 1) * x, now, -(k * before)) / (k + 1);
        }}},
  };
  return found;
}

}  // namespace

/// (x, n): the polynomial of degree n, 0 for a negative one. A degree beyond the highest here is left to eager.
void lower_polynomial(Lowering& l) {
  const DType dtype = l.floating(l.common_dtype({0, 1}));
  l.require(opmath(dtype) == dtype);
  auto family = families().find(l.name());
  if (!l.require(family != families().end()) || l.refused()) return;
  Expr x = l.in(0, dtype), degree = apply(Op::trunc_, l.in(1, dtype));
  Expr before = like(x, 1), now = family->second.first(x);
  Expr result = select(degree == 0, before, like(x, 0));
  for (int k = 1; k <= kHighestDegree; ++k) {
    result = select(degree == static_cast<double>(k), now, result);
    Expr next = family->second.next(k, x, now, before);
    before = now;
    now = next;
  }
  if (degree.is_number()) {
    l.require(degree.number().as_double() <= kHighestDegree);
  } else {
    result = l.checked(apply(Op::not_, degree > static_cast<double>(kHighestDegree)), result, 1);
  }
  l.set(result, dtype);
}

/// sin(x) / x, and its Taylor series where that loses digits.
void lower_spherical_bessel_j0(Lowering& l) {
  const DType dtype = l.floating(l.dtype(0));
  l.require(opmath(dtype) == dtype);
  Expr x = l.in(0, dtype), square = x * x, series = like(x, 1);
  for (int k = 6; k >= 1; --k) series = 1.0 - square * series / static_cast<double>((2 * k) * (2 * k + 1));
  Expr magnitude = apply(Op::abs_, x);
  Expr quotient = select(magnitude == std::numeric_limits<double>::infinity(), like(x, 0), apply(Op::sin_, x) / x);
  l.set(select(magnitude < 0.5, series, quotient), dtype);
}

}  // namespace braze
