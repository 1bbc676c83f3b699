// Writes to computed positions, few of them along one dim: each element of the result asks which of the writes are its
// own. Writes come in order, so the last of equal positions wins and sums are added up as eager adds them.
#include <algorithm>

#include "graph/geometry.h"
#include "passes/decompose/aten.h"

namespace braze {
namespace {

constexpr int64_t kMostWrites = 8;
constexpr int64_t kMostRead = 64;  // elements looked at for one that is written, when the rest stays where it is

enum class Combine { Replace, Sum, Product, Mean, Largest, Smallest };

/// Writes along one dim. `position` and `value` have size `count` there, or `value` broadcasts.
struct Writes {
  int dim = 0;
  int64_t count = 0;
  Expr position, value;
  Combine combine = Combine::Replace;
  bool includes_self = true;
  bool rounds_each = false;  // halves after every write, not once at the end
};

/// Positions in range and not negative; one out of range makes the kernel report failure.
Expr in_range(Lowering& l, const Expr& index, int64_t size, bool wraps) {
  Builder& b = l.builder();
  if (!l.require(!index.is_number() && (index.dtype() == DType::i64 || index.dtype() == DType::i32))) return index;
  Expr at = cast(DType::i64, index);
  if (!wraps) at = select(at < 0, b.integer(DType::i64, size), at);
  Expr places = b.fill(DType::i64, Geometry::contiguous({size}), b.index({size}, 0));
  const std::vector<int64_t> sizes = at.sizes();
  Access table{std::get<Access>(places.operand()).value, {0, sizes, std::vector<int64_t>(sizes.size(), 0)}};
  return cast(DType::i32, b.gather(table, {{size, 1}}, {at}));
}

Expr combined(Combine how, const Expr& x, const Expr& y) {
  switch (how) {
    case Combine::Replace: return y;
    case Combine::Sum:
    case Combine::Mean: return x + y;
    case Combine::Product: return x * y;
    case Combine::Largest: return apply(Op::maximum_, x, y);
    case Combine::Smallest: return apply(Op::minimum_, x, y);
  }
  return y;
}

/// The `i`-th of the numbers along a dim, for all places along it.
Expr at(const Expr& x, int dim, int64_t i) {
  if (x.is_number() || x.sizes().empty() || x.sizes()[dim] == 1) return x;
  return x.through(narrowed(x.geometry(), dim, i, 1));
}

void write(Lowering& l, const Writes& w) {
  l.require_one_size();
  const DType dtype = l.dtype(0);
  const std::vector<int64_t> sizes = l.sizes(0);
  if (l.refused()) return;
  l.require(w.combine == Combine::Replace || dtype != DType::b1);
  l.require(w.combine != Combine::Mean || (is_floating(dtype) && opmath(dtype) == dtype));
  l.require(w.count > 0 && w.count <= kMostWrites && sizes[w.dim] < 0x7fffffff);
  l.require(l.is_functional() || sizes[w.dim] <= kMostRead * w.count);
  if (l.refused()) return;
  Builder& b = l.builder();
  Expr place = cast(DType::i32, b.index({sizes[w.dim]}, 0)).before_dims(sizes.size() - w.dim - 1);
  Expr made = l.in(0, dtype);
  Expr is_written = b.integer(DType::b1, 0), count = b.number(DType::f32, w.includes_self ? 1 : 0);
  for (int64_t i = 0; i < w.count; ++i) {
    Expr here = place == at(w.position, w.dim, i);
    Expr value = cast(opmath(dtype), cast(dtype, at(w.value, w.dim, i)));
    Expr next = combined(w.combine, made, value);
    if (w.rounds_each) next = cast(opmath(dtype), cast(dtype, next));
    if (!w.includes_self && w.combine != Combine::Replace) {
      next = is_written.is_number() ? value : select(is_written, next, value);
      is_written = is_written.is_number() ? here : either(is_written, here);
    }
    made = select(here, next, made);
    if (w.combine == Combine::Mean) count = select(here, count + 1.0, count);
  }
  if (w.combine == Combine::Mean) made = made / cast(made.dtype(), apply(Op::maximum_, count, like(count, 1)));
  l.set(made, dtype);
}

Combine combine_named(Lowering& l, std::string_view name) {
  if (name == "sum" || name == "add") return Combine::Sum;
  if (name == "prod" || name == "multiply") return Combine::Product;
  if (name == "mean") return Combine::Mean;
  if (name == "amax") return Combine::Largest;
  l.require(name == "amin");
  return Combine::Smallest;
}

}  // namespace

/// scatter (self, dim, index, src or value, reduce), scatter_add (self, dim, index, src), scatter_reduce (self, dim,
/// index, src, reduce, include_self). Elsewhere than along the dim, all of self is written.
void lower_scatter(Lowering& l) {
  const std::vector<int64_t> sizes = l.sizes(0);
  const int dim = l.dim(1, sizes.size());
  if (l.refused() || !l.require(!sizes.empty() && l.is_memory(2) && l.sizes(2).size() == sizes.size())) return;
  const Geometry written = l.memory(2).geometry;
  if (!l.require(written.numel() > 0)) return;
  for (size_t d = 0; d < sizes.size(); ++d) l.require(static_cast<int>(d) == dim || written.sizes[d] == sizes[d]);
  Expr value = l.raw(3);
  if (l.refused()) return;
  if (!value.is_number()) {
    Geometry g = value.geometry();
    if (!l.require(g.sizes.size() == sizes.size())) return;
    for (size_t d = 0; d < sizes.size(); ++d) {
      if (!l.require(written.sizes[d] <= g.sizes[d])) return;
      g.sizes[d] = written.sizes[d];
    }
    value = value.through(g);
  }
  Writes w{dim, written.sizes[dim], in_range(l, l.raw(2), sizes[dim], false), value};
  if (l.name() == "scatter_add") w.combine = Combine::Sum;
  if (l.name() == "scatter_reduce" || l.overload().find("reduce") != std::string_view::npos)
    w.combine = combine_named(l, l.text(4));
  if (l.name() == "scatter_reduce") w.includes_self = l.flag(5);
  write(l, w);
}

/// index_copy (self, dim, index, source), index_add (..., alpha), index_reduce (..., reduce, include_self), index_fill
/// (self, dim, index, value).
void lower_index_write(Lowering& l) {
  const std::vector<int64_t> sizes = l.sizes(0);
  const int dim = l.dim(1, sizes.size());
  l.require(!sizes.empty() && l.is_memory(2) && l.sizes(2).size() == 1);
  if (l.refused()) return;
  const bool fills = l.name() == "index_fill";
  const int64_t count = l.sizes(2)[0];
  Expr position = in_range(l, l.raw(2), sizes[dim], fills);
  if (l.refused()) return;
  Expr value = l.raw(3);
  l.require(value.is_number() || value.sizes().size() == (fills ? 0 : sizes.size()));
  Writes w{dim, count, position.before_dims(sizes.size() - dim - 1).with_dims(sizes.size()), value};
  if (l.name() == "index_add") {
    w.combine = Combine::Sum;
    const DType dtype = l.dtype(0);
    const double alpha = l.is_none(4) ? 1 : l.real(4);
    if (alpha != 1 && l.require(opmath(dtype) == dtype && dtype != DType::b1)) w.value = l.in(3, dtype) * alpha;
  }
  if (l.name() == "index_reduce") {
    w.combine = combine_named(l, l.text(4));
    w.includes_self = l.flag(5);
    w.rounds_each = true;
  }
  write(l, w);
}

/// (self, indices, values, accumulate): one mask with a single value, or one list of positions along a dim.
void lower_index_put(Lowering& l) {
  const DType dtype = l.dtype(0);
  const std::vector<int64_t> sizes = l.sizes(0);
  auto* list = std::get_if<TensorListArg>(&l.arg(1));
  const bool accumulates = l.flag(3);
  if (l.refused() || !l.require(list && list->operands.size() <= sizes.size() && l.is_memory(2))) return;
  int dim = -1;
  for (size_t i = 0; i < list->operands.size(); ++i) {
    if (list->operands[i] < 0) continue;
    l.require(dim < 0);
    dim = static_cast<int>(i);
  }
  if (!l.require(dim >= 0) || l.refused()) return;
  Expr index = l.operand(list->operands[dim]), value = l.raw(2);
  l.require(value.dtype() == dtype);
  if (index.dtype() == DType::b1) {
    l.require(dim == 0 && value.numel() == 1 && !accumulates && index.sizes().size() <= sizes.size());
    for (size_t d = 0; d < index.sizes().size(); ++d) l.require(index.sizes()[d] == sizes[d]);
    if (l.refused()) return;
    Expr mask = index.before_dims(sizes.size() - index.sizes().size());
    Geometry single{value.geometry().offset, {}, {}};
    Expr replacement = cast(opmath(dtype), value.through(single));
    return l.set(select(mask, replacement, l.in(0, dtype)), dtype);
  }
  if (!l.require(index.sizes().size() == 1)) return;
  std::vector<int64_t> written = sizes;
  written[dim] = index.sizes()[0];
  auto spread = broadcast_to(value.geometry(), written);
  Expr position = in_range(l, index, sizes[dim], true);
  if (l.refused() || !l.require(spread.has_value())) return;
  Writes w{dim, written[dim], position.before_dims(sizes.size() - dim - 1).with_dims(sizes.size()),
           value.through(*spread)};
  if (accumulates) w.combine = Combine::Sum, w.rounds_each = true;
  write(l, w);
}

}  // namespace braze
