// Small dense matrices, a batch of them at a time: each entry is a tensor over the batch, and the steps of a
// factorisation are written out. Matrices that LAPACK would answer with an error or with infinities, and such as are
// nearly singular, for which two ways of rounding give two results, make the kernel report failure, and the call runs
// eagerly.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "graph/geometry.h"
#include "passes/decompose/aten.h"

namespace braze {
namespace {

constexpr int64_t kMostRows = 6;
constexpr int64_t kMostColumns = 16;

class Matrix {
 public:
  Matrix(int64_t rows, int64_t columns, const Expr& x)
      : rows_(rows), columns_(columns), entries_(static_cast<size_t>(rows * columns), x) {}

  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  Expr& operator()(int64_t i, int64_t j) { return entries_[i * columns_ + j]; }
  const Expr& operator()(int64_t i, int64_t j) const { return entries_[i * columns_ + j]; }

  Matrix transposed() const {
    Matrix t(columns_, rows_, entries_[0]);
    for (int64_t i = 0; i < rows_; ++i)
      for (int64_t j = 0; j < columns_; ++j) t(j, i) = (*this)(i, j);
    return t;
  }

 private:
  int64_t rows_, columns_;
  std::vector<Expr> entries_;
};

/// The entries of a tensor of matrices (of vectors, as matrices of one column). Nothing when they are not small.
std::optional<Matrix> matrix(Lowering& l, size_t i, bool is_vector = false) {
  l.require_one_size();
  const DType dtype = l.dtype(i);
  const Geometry g = l.memory(i).geometry;
  const size_t dims = is_vector ? 1 : 2;
  l.require(is_floating(dtype) && opmath(dtype) == dtype && g.sizes.size() >= dims && g.numel() > 0);
  if (l.refused()) return std::nullopt;
  const int row = static_cast<int>(g.sizes.size() - dims);
  const int64_t rows = g.sizes[row], columns = is_vector ? 1 : g.sizes[row + 1];
  if (!l.require(std::min(rows, columns) <= kMostRows && std::max(rows, columns) <= kMostColumns)) return std::nullopt;
  Matrix m(rows, columns, l.raw(i));
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) {
      Geometry entry = selected(g, row, r);
      m(r, c) = l.raw(i).through(is_vector ? std::move(entry) : selected(std::move(entry), row, c));
    }
  return m;
}

std::optional<Matrix> square_matrix(Lowering& l, size_t i) {
  std::optional<Matrix> m = matrix(l, i);
  if (m && !l.require(m->rows() == m->columns())) return std::nullopt;
  return m;
}

Matrix identity(Lowering& l, int64_t n, DType dtype) {
  Matrix m(n, n, l.builder().number(dtype, 0));
  for (int64_t i = 0; i < n; ++i) m(i, i) = l.builder().number(dtype, 1);
  return m;
}

void set_matrix(Lowering& l, size_t k, const Matrix& m, bool is_vector = false) {
  if (l.refused() || !l.wanted(k) || !l.require(l.is_functional())) return;
  const Geometry shape = l.result_shape(k);
  const size_t dims = is_vector ? 1 : 2;
  if (!l.require(shape.sizes.size() >= dims)) return;
  const int row = static_cast<int>(shape.sizes.size() - dims);
  l.require(shape.sizes[row] == m.rows() && (is_vector || shape.sizes[row + 1] == m.columns()));
  Expr whole = l.builder().empty(l.result_dtype(k), shape);
  for (int64_t i = 0; i < m.rows() && !l.refused(); ++i)
    for (int64_t j = 0; j < m.columns(); ++j) {
      Geometry entry = selected(shape, row, i);
      if (!is_vector) entry = selected(std::move(entry), row, j);
      whole = l.builder().update(whole, std::move(entry), m(i, j));
    }
  l.set(k, whole);
}

/// LAPACK's report of success.
void set_no_failure(Lowering& l, size_t k) {
  if (l.wanted(k)) l.set(k, l.builder().integer(DType::i32, 0), DType::i32);
}

void unread(Lowering& l, std::initializer_list<size_t> results) {
  for (size_t k : results) l.require(!l.is_read(k));
}

Expr both_if_any(const Expr& all, const Expr& here) { return all.is_number() ? here : both(all, here); }

Expr is_finite(const Expr& x) { return apply(Op::abs_, x) < std::numeric_limits<double>::infinity(); }

/// Has the kernel report failure where an entry is not finite, as all are that come of a division by zero. `i`: any
/// tensor with elements.
void check_finite(Lowering& l, Matrix& m, size_t i) {
  Expr all = l.builder().integer(DType::b1, 1);
  for (int64_t r = 0; r < m.rows(); ++r)
    for (int64_t c = 0; c < m.columns(); ++c)
      if (!m(r, c).is_number()) all = both_if_any(all, is_finite(m(r, c)));
  if (!all.is_number()) m(0, 0) = l.checked(all, m(0, 0), i);
}

/// Whether none of the numbers is so much smaller than another that rounding errors decide about the result.
Expr are_of_like_size(const std::vector<Expr>& numbers) {
  const double share = numbers[0].dtype() == DType::f32 ? 1e-3 : 1e-7;
  Expr largest = apply(Op::abs_, numbers[0]), smallest = largest;
  for (size_t i = 1; i < numbers.size(); ++i) {
    Expr size = apply(Op::abs_, numbers[i]);
    largest = apply(Op::maximum_, largest, size);
    smallest = apply(Op::minimum_, smallest, size);
  }
  return both(smallest > largest * share, is_finite(largest));
}

std::vector<Expr> diagonal(const Matrix& m) {
  std::vector<Expr> entries;
  entries.reserve(m.rows());
  for (int64_t i = 0; i < m.rows(); ++i) entries.push_back(m(i, i));
  return entries;
}

/// Gaussian elimination with partial pivoting: leaves U in the upper triangle of `a`, and in `b` what stands on the
/// right once the same rows were exchanged and subtracted. Gives the sign of the exchanges.
Expr eliminate(Matrix& a, Matrix* b) {
  const int64_t n = a.rows();
  Expr sign = like(a(0, 0), 1);
  for (int64_t k = 0; k < n; ++k) {
    for (int64_t i = k + 1; i < n; ++i) {
      Expr larger = apply(Op::abs_, a(i, k)) > apply(Op::abs_, a(k, k));
      auto exchange = [&](Matrix& m, int64_t first) {
        for (int64_t j = first; j < m.columns(); ++j) {
          Expr upper = select(larger, m(i, j), m(k, j)), lower = select(larger, m(k, j), m(i, j));
          m(k, j) = std::move(upper), m(i, j) = std::move(lower);
        }
      };
      exchange(a, k);
      if (b) exchange(*b, 0);
      sign = select(larger, -sign, sign);
    }
    for (int64_t i = k + 1; i < n; ++i) {
      Expr share = select(a(k, k) == 0, like(a(k, k), 0), a(i, k) / a(k, k));
      for (int64_t j = k + 1; j < n; ++j) a(i, j) = a(i, j) - share * a(k, j);
      if (b)
        for (int64_t j = 0; j < b->columns(); ++j) (*b)(i, j) = (*b)(i, j) - share * (*b)(k, j);
    }
  }
  return sign;
}

/// Solves a x = b in place of b, where `a` has nothing below its diagonal (or above it); `unit`: ones on it.
void substitute(const Matrix& a, Matrix& b, bool upper, bool unit) {
  const int64_t n = a.rows();
  for (int64_t c = 0; c < b.columns(); ++c)
    for (int64_t step = 0; step < n; ++step) {
      const int64_t i = upper ? n - 1 - step : step;
      for (int64_t j = upper ? i + 1 : 0; j < (upper ? n : i); ++j) b(i, c) = b(i, c) - a(i, j) * b(j, c);
      if (!unit) b(i, c) = b(i, c) / a(i, i);
    }
}

}  // namespace

/// (self, upper, check_errors) -> (L, info)
void lower_cholesky(Lowering& l) {
  const bool upper = l.flag(1);
  std::optional<Matrix> given = square_matrix(l, 0);
  if (!given) return;
  const int64_t n = given->rows();
  Matrix a = upper ? given->transposed() : *given;
  const double least = l.dtype(0) == DType::f32 ? 1e-4 : 1e-9;  // share of an entry that rounding leaves intact
  Expr positive = l.builder().integer(DType::b1, 1);
  for (int64_t j = 0; j < n; ++j) {
    const Expr whole = a(j, j);
    for (int64_t k = 0; k < j; ++k) a(j, j) = a(j, j) - a(j, k) * a(j, k);
    Expr here = both(both(whole > 0, a(j, j) > whole * least), is_finite(whole));
    positive = both_if_any(positive, here);
    a(j, j) = apply(Op::sqrt_, a(j, j));
    for (int64_t i = j + 1; i < n; ++i) {
      for (int64_t k = 0; k < j; ++k) a(i, j) = a(i, j) - a(i, k) * a(j, k);
      a(i, j) = a(i, j) / a(j, j);
      a(j, i) = like(a(j, j), 0);
    }
  }
  a(0, 0) = l.checked(positive, a(0, 0), 0);
  set_matrix(l, 0, upper ? a.transposed() : a);
  set_no_failure(l, 1);
}

/// _linalg_det (A) -> (result, LU, pivots), _linalg_slogdet (A) -> (sign, logabsdet, LU, pivots)
void lower_det(Lowering& l) {
  const bool is_log = l.name() == "_linalg_slogdet";
  if (is_log)
    unread(l, {2, 3});
  else
    unread(l, {1, 2});
  std::optional<Matrix> a = square_matrix(l, 0);
  if (!a || l.refused()) return;
  const DType dtype = l.dtype(0);
  Expr sign = eliminate(*a, nullptr);
  Expr result = is_log ? l.builder().number(dtype, 0) : sign;
  for (int64_t i = 0; i < a->rows(); ++i) {
    const Expr& pivot = (*a)(i, i);
    Expr size = apply(Op::abs_, pivot);
    if (!is_log) {
      result = result * pivot;
      continue;
    }
    result = i == 0 ? apply(Op::log_, size) : result + apply(Op::log_, size);
    sign = sign * (cast(dtype, pivot > 0) - cast(dtype, pivot < 0));
  }
  result = l.checked(are_of_like_size(diagonal(*a)), result, 0);
  if (is_log) l.set(0, sign, dtype);
  l.set(is_log ? 1 : 0, result, dtype);
}

/// (A, check_errors) -> (inverse, info)
void lower_inverse(Lowering& l) {
  std::optional<Matrix> a = square_matrix(l, 0);
  if (!a) return;
  Matrix b = identity(l, a->rows(), l.dtype(0));
  eliminate(*a, &b);
  substitute(*a, b, true, false);
  b(0, 0) = l.checked(are_of_like_size(diagonal(*a)), b(0, 0), 0);
  check_finite(l, b, 0);
  set_matrix(l, 0, b);
  set_no_failure(l, 1);
}

/// (A, B, left, check_errors) -> (result, LU, pivots, info)
void lower_solve(Lowering& l) {
  unread(l, {1, 2});
  const bool left = l.flag(2);
  std::optional<Matrix> a = square_matrix(l, 0);
  if (!a || !l.require(l.is_memory(1))) return;
  const std::vector<int64_t>&of_a = l.sizes(0), &of_b = l.sizes(1);
  const bool is_vector =
      of_b.size() == 1 || (of_b.size() + 1 == of_a.size() && std::equal(of_b.begin(), of_b.end(), of_a.begin()));
  std::optional<Matrix> b = matrix(l, 1, is_vector);
  l.require(l.dtype(0) == l.dtype(1));
  if (!b || l.refused()) return;
  if (!left) a = a->transposed(), b = b->transposed();
  if (!l.require(a->rows() == b->rows())) return;
  eliminate(*a, &*b);
  substitute(*a, *b, true, false);
  (*b)(0, 0) = l.checked(are_of_like_size(diagonal(*a)), (*b)(0, 0), 0);
  check_finite(l, *b, 0);
  set_matrix(l, 0, left ? *b : b->transposed(), is_vector);
  set_no_failure(l, 3);
}

namespace {

void solve_triangular(Lowering& l, Matrix a, Matrix b, bool upper, bool left, bool unit, size_t of_a) {
  if (!left) a = a.transposed(), b = b.transposed(), upper = !upper;
  if (!l.require(a.rows() == b.rows())) return;
  substitute(a, b, upper, unit);
  check_finite(l, b, of_a);
  set_matrix(l, 0, left ? b : b.transposed());
}

}  // namespace

/// (A, B, upper, left, unitriangular)
void lower_solve_triangular(Lowering& l) {
  const bool upper = l.flag(2), left = l.flag(3), unit = l.flag(4);
  std::optional<Matrix> a = square_matrix(l, 0), b = matrix(l, 1);
  if (a && b && l.require(l.dtype(0) == l.dtype(1))) solve_triangular(l, *a, *b, upper, left, unit, 0);
}

/// (B, A, upper, transpose, unitriangular) -> (solution, copy of A)
void lower_old_solve_triangular(Lowering& l) {
  unread(l, {1});
  const bool upper = l.flag(2), transposes = l.flag(3), unit = l.flag(4);
  std::optional<Matrix> b = matrix(l, 0), a = square_matrix(l, 1);
  if (!a || !b || !l.require(l.dtype(0) == l.dtype(1))) return;
  solve_triangular(l, transposes ? a->transposed() : *a, *b, upper != transposes, true, unit, 1);
}

/// cholesky_solve (B, L, upper) and cholesky_inverse (L, upper): what L L^T gives, or U^T U.
void lower_cholesky_solve(Lowering& l) {
  const bool inverts = l.name() == "cholesky_inverse";
  const size_t factor = inverts ? 0 : 1;
  const bool upper = l.flag(factor + 1);
  std::optional<Matrix> a = square_matrix(l, factor);
  if (!a) return;
  std::optional<Matrix> b = inverts ? identity(l, a->rows(), l.dtype(0)) : matrix(l, 0);
  if (!b || !l.require(l.dtype(0) == l.dtype(factor) && a->rows() == b->rows())) return;
  const Matrix lower = upper ? a->transposed() : *a;
  substitute(lower, *b, false, false);
  substitute(lower.transposed(), *b, true, false);
  check_finite(l, *b, factor);
  set_matrix(l, 0, *b);
}

}  // namespace braze
