// Operators that move elements and change none but by a cast.
#include <algorithm>

#include "graph/geometry.h"
#include "graph/size_division.h"
#include "passes/decompose/aten.h"

namespace braze {
namespace {

/// Casts as `to` does: the source's own dtype, rounded to the target's.
void set_cast(Lowering& l, const Expr& x) { l.set(cast(l.result_dtype(), x), l.result_dtype()); }

/// Memory of the result's shape, to be filled by updates.
Expr blank(Lowering& l) { return l.builder().empty(l.result_dtype(), l.result_shape()); }

/// What `window` shows of the first argument, with some dims reversed. A reversed dim cannot be a window (strides are
/// never negative), so its positions are computed.
void set_reversed(Lowering& l, const Geometry& window, const std::vector<int>& dims) {
  l.dtype(0);
  if (l.refused() || window.numel() == 0) return l.refuse();
  Access table{l.memory(0).value, window};
  std::vector<IndexedDim> indexed;
  std::vector<Expr> positions;
  for (int dim : dims) {
    const int64_t size = window.sizes[dim];
    if (size <= 1) continue;
    indexed.push_back({size, window.strides[dim]});
    positions.push_back(static_cast<double>(size - 1) - l.builder().index(window.sizes, dim));
    table.geometry.strides[dim] = 0;
  }
  if (indexed.empty()) return set_cast(l, l.raw(0).through(window));
  l.set(l.builder().gather(table, std::move(indexed), positions));
}

bool is_empty_1d(const Expr& x) { return x.sizes().size() == 1 && x.sizes()[0] == 0; }

void join(Lowering& l, const std::vector<Expr>& parts, int dim) {
  if (!l.require(l.is_functional())) return;
  Expr whole = blank(l);
  const Geometry shape = l.result_shape();
  int64_t start = 0;
  for (const Expr& part : parts) {
    const int64_t size = part.sizes()[dim];
    if (size > 0 && part.numel() > 0) whole = l.builder().update(whole, narrowed(shape, dim, start, size), part);
    start += size;
  }
  l.require(shape.sizes.size() > static_cast<size_t>(dim) && start == shape.sizes[dim]);
  l.set(whole);
}

/// `x` with some window of it replaced by the second argument.
void scatter_window(Lowering& l, const Geometry& window) {
  const DType dtype = l.dtype(0);
  l.require(l.is_functional() && l.dtype(1) == dtype && dtype == l.result_dtype());
  if (l.refused()) return;
  Expr whole = l.builder().fill(dtype, l.result_shape(), l.raw(0));
  l.set(l.builder().update(whole, window, l.raw(1)));
}

}  // namespace

void lower_copy(Lowering& l) { set_cast(l, l.in(0, l.dtype(0))); }

/// sizes, implicit
void lower_expand_copy(Lowering& l) { set_cast(l, l.in(0, l.dtype(0))); }

/// copy_(self, source): the result is the source at self's dtype.
void lower_copy_from(Lowering& l) {
  if (l.is_number(1)) return set_cast(l, l.raw(1));
  set_cast(l, l.in(1, l.dtype(1)));
}

void lower_cat(Lowering& l) {
  std::vector<Expr> parts = l.tensors(0);
  parts.erase(std::remove_if(parts.begin(), parts.end(), is_empty_1d), parts.end());
  const int dim = l.dim(1, l.result_sizes().size());
  for (const Expr& part : parts)
    l.require(part.sizes().size() == l.result_sizes().size() && l.result_sizes().size() > 0);
  if (!l.refused()) join(l, parts, dim);
}

void lower_stack(Lowering& l) {
  std::vector<Expr> parts = l.tensors(0);
  const int dim = l.dim(1, l.result_sizes().size());
  for (Expr& part : parts) {
    if (!l.require(part.sizes().size() + 1 == l.result_sizes().size())) return;
    part = part.through(unsqueezed(part.geometry(), dim));
  }
  if (!l.refused()) join(l, parts, dim);
}

/// Negative padding cuts, positive padding surrounds with a number.
void lower_constant_pad(Lowering& l) {
  const DType dtype = l.dtype(0);
  const std::vector<int64_t> pad = l.integers(1);
  Geometry source = l.memory(0).geometry, region = l.result_shape();
  l.require(l.is_functional() && pad.size() % 2 == 0 && pad.size() / 2 <= source.sizes.size());
  if (l.refused()) return;
  for (size_t i = 0; i < pad.size() / 2; ++i) {
    const int dim = static_cast<int>(source.sizes.size() - 1 - i);
    const int64_t before = pad[2 * i], after = pad[2 * i + 1];
    const int64_t kept = source.sizes[dim] + std::min<int64_t>(before, 0) + std::min<int64_t>(after, 0);
    if (!l.require(kept >= 0)) return;
    source = narrowed(source, dim, std::max<int64_t>(-before, 0), kept);
    region = narrowed(region, dim, std::max<int64_t>(before, 0), kept);
  }
  Expr whole = l.builder().fill(dtype, l.result_shape(), cast(dtype, l.raw(2)));
  if (source.numel() > 0) whole = l.builder().update(whole, region, l.raw(0).through(source));
  l.set(whole);
}

void lower_flip(Lowering& l) {
  const Geometry g = l.memory(0).geometry;
  set_reversed(l, g, l.integers(1).empty() ? std::vector<int>{} : l.dims(1, g.sizes.size()));
}

/// (self, k, dims): quarter turns from the first dim towards the second.
void lower_rot90(Lowering& l) {
  Geometry g = l.memory(0).geometry;
  const std::vector<int64_t> plane = l.integers(2);
  const int64_t rank = static_cast<int64_t>(g.sizes.size()), turns = ((l.integer(1) % 4) + 4) % 4;
  if (!l.require(plane.size() == 2 && rank >= 2)) return;
  const int a = static_cast<int>(plane[0] < 0 ? plane[0] + rank : plane[0]);
  const int b = static_cast<int>(plane[1] < 0 ? plane[1] + rank : plane[1]);
  if (!l.require(a >= 0 && b >= 0 && a < rank && b < rank && a != b)) return;
  if (turns % 2 == 1) {
    std::swap(g.sizes[a], g.sizes[b]);
    std::swap(g.strides[a], g.strides[b]);
  }
  if (turns == 0) return set_cast(l, l.raw(0));
  set_reversed(l, g, turns == 1 ? std::vector<int>{a} : turns == 2 ? std::vector<int>{a, b} : std::vector<int>{b});
}

void lower_roll(Lowering& l) {
  struct Piece {
    Geometry from, to;
  };
  const DType dtype = l.dtype(0);
  std::vector<int64_t> shifts = l.integers(1), dims = l.integers(2);
  if (!l.require(l.is_functional() && shifts.size() == dims.size() && !shifts.empty())) return;
  std::vector<Piece> pieces = {{l.memory(0).geometry, l.result_shape()}};
  const int64_t rank = static_cast<int64_t>(pieces[0].from.sizes.size());
  l.require(dtype == l.result_dtype() && pieces[0].from.numel() > 0 && pieces[0].from.sizes == pieces[0].to.sizes);
  std::vector<bool> rolled(rank, false);
  for (size_t i = 0; i < dims.size() && !l.refused(); ++i) {
    const int64_t dim = dims[i] < 0 ? dims[i] + rank : dims[i];
    if (!l.require(dim >= 0 && dim < rank && !rolled[dim])) return;
    rolled[dim] = true;
    std::vector<Piece> next;
    for (const Piece& p : pieces) {
      const int64_t n = p.from.sizes[dim], shift = remainder_of_sizes(remainder_of_sizes(shifts[i], n) + n, n);
      const int d = static_cast<int>(dim);
      next.push_back({narrowed(p.from, d, 0, n - shift), narrowed(p.to, d, shift, n - shift)});
      if (shift > 0) next.push_back({narrowed(p.from, d, n - shift, shift), narrowed(p.to, d, 0, shift)});
    }
    pieces = std::move(next);
  }
  if (l.refused()) return;
  Expr whole = blank(l);
  for (const Piece& p : pieces) whole = l.builder().update(whole, p.to, l.raw(0).through(p.from));
  l.set(whole);
}

/// Each dim of the result is seen as (repeats, size): one copy writes it all.
void lower_repeat(Lowering& l) {
  const DType dtype = l.dtype(0);
  const std::vector<int64_t> repeats = l.integers(1);
  Expr x = l.raw(0).with_dims(repeats.size());
  l.require(l.is_functional() && dtype == l.result_dtype() && x.sizes().size() == repeats.size());
  if (l.refused()) return;
  const Geometry shape = l.result_shape();
  Geometry from, to;
  for (size_t i = 0; i < repeats.size(); ++i) {
    const int64_t size = x.sizes()[i];
    if (!l.require(size * repeats[i] == shape.sizes[i])) return;
    from.sizes.insert(from.sizes.end(), {repeats[i], size});
    from.strides.insert(from.strides.end(), {0, x.geometry().strides[i]});
    to.sizes.insert(to.sizes.end(), {repeats[i], size});
    to.strides.insert(to.strides.end(), {shape.strides[i] * size, shape.strides[i]});
  }
  from.offset = x.geometry().offset;
  l.require(shape.numel() > 0);
  if (l.refused()) return;
  l.set(l.builder().update(blank(l), to, x.through(from)));
}

void lower_triangle(Lowering& l) {
  const DType dtype = l.dtype(0);
  const std::vector<int64_t> sizes = l.sizes(0);
  const int64_t diagonal = l.integer(1);
  if (!l.require(sizes.size() >= 2 && diagonal > -0x7fffffff && diagonal < 0x7fffffff)) return;
  const std::vector<int64_t> plane(sizes.end() - 2, sizes.end());
  Expr along = l.builder().index(plane, 1) - l.builder().index(plane, 0);
  Expr kept = l.name() == "tril" ? along <= static_cast<double>(diagonal) : along >= static_cast<double>(diagonal);
  Expr x = l.in(0, dtype);
  l.set(select(kept, x, like(x, 0)), dtype);
}

/// (self, src, dim, start, end, step)
void lower_slice_scatter(Lowering& l) {
  Geometry window = l.result_shape();
  const int dim = l.dim(2, window.sizes.size());
  if (!l.require(!window.sizes.empty())) return;
  const int64_t size = window.sizes[dim];
  auto bound = [&](size_t i, int64_t otherwise) {
    int64_t at = l.is_none(i) ? otherwise : l.integer(i);
    return std::clamp<int64_t>(at < 0 ? at + size : at, 0, size);
  };
  const int64_t start = bound(3, 0), end = std::max(bound(4, size), start), step = l.integer(5);
  if (!l.require(step > 0)) return;
  window = narrowed(window, dim, start, quotient_of_sizes(end - start + step - 1, step));
  window.strides[dim] *= step;
  l.require(window.sizes == l.sizes(1) && window.numel() > 0);
  scatter_window(l, window);
}

/// (self, src, dim, index)
void lower_select_scatter(Lowering& l) {
  Geometry window = l.result_shape();
  const int dim = l.dim(2, window.sizes.size());
  int64_t position = l.integer(3);
  if (!l.require(!window.sizes.empty() && window.numel() > 0)) return;
  if (position < 0) position += window.sizes[dim];
  if (!l.require(position >= 0 && position < window.sizes[dim])) return;
  window = selected(window, dim, position);
  l.require(window.sizes == l.sizes(1));
  scatter_window(l, window);
}

}  // namespace braze
