// Order along a short dim: neighbours change places until the wanted ones stand in front, as in a bubble sort. Equal
// elements keep their order and NaN is the largest number, as in torch.sort. Other operators leave open where the
// element stood that they take among equal ones, so of those only the values are computed here.
#include <algorithm>
#include <limits>
#include <utility>

#include "graph/geometry.h"
#include "passes/decompose/aten.h"

namespace braze {
namespace {

constexpr int64_t kMostPairs = 120;  // compared; all of 16 elements, or the first 2 of 61

/// The elements along a dim, and where each stood.
struct Row {
  std::vector<Expr> values, places;
  bool descending = false;

  int64_t count() const { return static_cast<int64_t>(values.size()); }
};

/// Whether `x` has to stand before `y`: false of equal elements.
Expr precedes(const Row& row, const Expr& x, const Expr& y) {
  if (!is_floating(x.dtype())) return row.descending ? x > y : x < y;
  if (row.descending) return both(apply(Op::not_, x <= y), apply(Op::not_, apply(Op::is_nan_, y)));
  return both(apply(Op::not_, x >= y), apply(Op::not_, apply(Op::is_nan_, x)));
}

void put_in_order(Row& row, int64_t i) {
  Expr swaps = precedes(row, row.values[i + 1], row.values[i]);
  auto exchange = [&](std::vector<Expr>& list) {
    Expr first = select(swaps, list[i + 1], list[i]), second = select(swaps, list[i], list[i + 1]);
    list[i] = std::move(first), list[i + 1] = std::move(second);
  };
  exchange(row.values);
  if (!row.places.empty()) exchange(row.places);
}

/// Brings the first `wanted` of the order in front.
void order(Lowering& l, Row& row, int64_t wanted) {
  const int64_t passes = std::min(wanted, row.count() - 1);
  if (!l.require(passes * (2 * row.count() - passes - 1) / 2 <= kMostPairs)) return;
  for (int64_t done = 0; done < passes; ++done)
    for (int64_t i = row.count() - 2; i >= done; --i) put_in_order(row, i);
}

Expr computable(Lowering& l, const Expr& x) {
  const DType dtype = x.dtype() == DType::b1 ? DType::u8 : opmath(x.dtype());
  return l.refused() ? x : cast(dtype, x);
}

/// The first argument's elements along a dim; `places` when their positions matter.
Row row_along(Lowering& l, int dim, bool places, bool descending) {
  l.require_one_size();
  l.dtype(0);
  Row row;
  row.descending = descending;
  const Geometry g = l.memory(0).geometry;
  l.require(l.is_functional() && g.numel() > 0 && (g.sizes.empty() || g.sizes[dim] <= kMostPairs));
  if (l.refused()) return row;
  const int64_t count = g.sizes.empty() ? 1 : g.sizes[dim];
  for (int64_t i = 0; i < count; ++i) {
    row.values.push_back(computable(l, l.raw(0).through(g.sizes.empty() ? g : narrowed(g, dim, i, 1))));
    if (places) row.places.push_back(l.builder().integer(DType::i64, i));
  }
  return row;
}

/// `x`, which is one of the elements, unless it is a zero and there are zeros of both signs: eager may take either.
Expr where_zeros_are_alike(Lowering& l, const Row& row, const Expr& x) {
  if (!is_floating(x.dtype()) || row.count() == 1) return x;
  Expr positive = l.builder().integer(DType::b1, 0), negative = positive;
  for (const Expr& e : row.values) {
    Expr is_zero = e == 0, sign = apply(Op::copysign_, like(e, 1), e);
    Expr plus = both(is_zero, sign > 0), minus = both(is_zero, sign < 0);
    positive = positive.is_number() ? plus : either(positive, plus);
    negative = negative.is_number() ? minus : either(negative, minus);
  }
  return l.checked(apply(Op::not_, both(x == 0, both(positive, negative))), x, 0);
}

/// The k-th result is these elements along a dim.
void set_along(Lowering& l, size_t k, int dim, const std::vector<Expr>& elements) {
  if (l.refused() || !l.wanted(k)) return;
  const DType dtype = l.result_dtype(k);
  const Geometry shape = l.result_shape(k);
  if (shape.sizes.empty()) return l.set(k, cast(dtype, elements[0]), dtype);
  if (!l.require(l.is_functional() && shape.sizes[dim] <= static_cast<int64_t>(elements.size()))) return;
  Expr whole = l.builder().empty(dtype, shape);
  for (int64_t i = 0; i < shape.sizes[dim]; ++i)
    whole = l.builder().update(whole, narrowed(shape, dim, i, 1), cast(dtype, elements[i]));
  l.set(k, whole);
}

int any_dim(Lowering& l, size_t argument) {
  const size_t rank = l.sizes(0).size();
  return rank == 0 ? 0 : l.dim(argument, rank);
}

/// The elements of a small tensor without their order.
Row all_elements(Lowering& l) {
  l.require_one_size();
  Row row;
  const Geometry g = l.memory(0).geometry;
  if (l.refused() || !l.require(g.numel() > 0 && g.numel() <= kMostPairs)) return row;
  for (const Expr& e : elements_of(l.raw(0))) row.values.push_back(computable(l, e));
  return row;
}

Expr count_of_nans(Lowering& l, const Row& row) {
  Expr count = l.builder().integer(DType::i32, 0);
  for (const Expr& e : row.values) count = count + cast(DType::i32, apply(Op::is_nan_, e));
  return count;
}

}  // namespace

/// sort (self, dim, descending) and sort.stable (self, stable, dim, descending) -> (values, indices)
void lower_sort(Lowering& l) {
  const size_t first = l.overload() == "stable" ? 2 : 1;
  const int dim = any_dim(l, first);
  const bool descending = l.flag(first + 1);
  Row row = row_along(l, dim, l.is_read(1), descending);
  if (l.refused()) return;
  order(l, row, row.count());
  set_along(l, 0, dim, row.values);
  if (l.is_read(1)) set_along(l, 1, dim, row.places);
}

/// (self, k, dim, largest, sorted) -> (values, indices)
void lower_topk(Lowering& l) {
  const int dim = any_dim(l, 2);
  const int64_t k = l.integer(1);
  l.require(l.flag(4) && k > 0 && !l.is_read(1));
  Row row = row_along(l, dim, false, l.flag(3));
  if (l.refused()) return;
  order(l, row, k);
  if (l.refused() || !l.require(k <= row.count())) return;
  Row all = row;
  for (int64_t i = 0; i < k; ++i) row.values[i] = where_zeros_are_alike(l, all, row.values[i]);
  set_along(l, 0, dim, row.values);
}

namespace {

/// One element of the order, or the NaN that is among them.
void set_one(Lowering& l, Row& row, int64_t place, bool nan_wins) {
  if (l.refused() || !l.require(place >= 0 && place < row.count())) return;
  const bool may_be_nan = nan_wins && is_floating(row.values[0].dtype());
  const Expr nans = may_be_nan ? count_of_nans(l, row) : l.builder().integer(DType::i32, 0);
  order(l, row, place + 1);
  if (l.refused()) return;
  Expr found = where_zeros_are_alike(l, row, row.values[place]);
  if (may_be_nan) found = select(nans == 0, found, like(found, std::numeric_limits<double>::quiet_NaN()));
  l.set(0, found, l.dtype(0));
}

}  // namespace

/// (self, k, dim, keepdim) -> (values, indices)
void lower_kthvalue(Lowering& l) {
  l.require(!l.is_read(1));
  Row row = row_along(l, any_dim(l, 2), false, false);
  set_one(l, row, l.integer(1) - 1, false);
}

/// (self) -> value of all elements; (self, dim, keepdim) -> (values, indices). The lower one of two; NaN wins.
void lower_median(Lowering& l) {
  const bool by_dim = l.overload() == "dim";
  l.require(by_dim ? !l.is_read(1) : l.overload().empty());
  Row row = by_dim ? row_along(l, any_dim(l, 1), false, false) : all_elements(l);
  set_one(l, row, (row.count() - 1) / 2, true);
}

/// (self) -> the median of the numbers among all elements; (self, dim, keepdim) -> (values, indices)
void lower_nanmedian(Lowering& l) {
  if (!is_floating(l.dtype(0))) return lower_median(l);
  const bool by_dim = l.overload() == "dim";
  l.require(by_dim ? !l.is_read(1) : l.overload().empty());
  Row row = by_dim ? row_along(l, any_dim(l, 1), false, false) : all_elements(l);
  if (l.refused()) return;
  const int32_t count = static_cast<int32_t>(row.count());
  const Expr nans = count_of_nans(l, row);
  order(l, row, row.count());
  if (l.refused()) return;
  Expr middle = row.values[(count - 1) / 2];
  for (int32_t some = 1; some <= count; ++some)
    middle = select(nans == static_cast<double>(some), row.values[std::max(count - some - 1, 0) / 2], middle);
  l.set(0, where_zeros_are_alike(l, row, middle), l.dtype(0));
}

}  // namespace braze
