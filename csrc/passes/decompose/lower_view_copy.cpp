// Copies of windows: what a view shows (`permute_copy`), and tensors in which a window holds other numbers than the
// rest (`diag_embed`, `diagonal_scatter`).
#include <algorithm>

#include "graph/geometry.h"
#include "graph/size_division.h"
#include "passes/decompose/aten.h"

namespace braze {
namespace {

void swap_dims(Geometry& g, int a, int b) {
  std::swap(g.sizes[a], g.sizes[b]);
  std::swap(g.strides[a], g.strides[b]);
}

void drop_dim(Geometry& g, int dim) {
  g.sizes.erase(g.sizes.begin() + dim);
  g.strides.erase(g.strides.begin() + dim);
}

/// The diagonal of two dims, as a last dim in their place.
Geometry diagonal(Lowering& l, Geometry g, int64_t offset, int a, int b) {
  if (!l.require(a != b)) return g;
  const int64_t start = offset >= 0 ? offset * g.strides[b] : -offset * g.strides[a];
  const int64_t length = std::max<int64_t>(
      0, offset >= 0 ? std::min(g.sizes[a], g.sizes[b] - offset) : std::min(g.sizes[a] + offset, g.sizes[b]));
  const int64_t stride = g.strides[a] + g.strides[b];
  if (length > 0) g.offset += start;
  drop_dim(g, std::max(a, b));
  drop_dim(g, std::min(a, b));
  g.sizes.push_back(length);
  g.strides.push_back(stride);
  return g;
}

Geometry permuted(Lowering& l, const Geometry& g, const std::vector<int64_t>& order) {
  const int64_t rank = static_cast<int64_t>(g.sizes.size());
  Geometry seen{g.offset, {}, {}};
  if (!l.require(static_cast<int64_t>(order.size()) == rank)) return g;
  for (int64_t dim : order) {
    const int64_t d = dim < 0 ? dim + rank : dim;
    if (!l.require(d >= 0 && d < rank)) return g;
    seen.sizes.push_back(g.sizes[d]);
    seen.strides.push_back(g.strides[d]);
  }
  return seen;
}

/// The window a view of the same name gives, at the sizes of the result.
Geometry window_of(Lowering& l) {
  const Geometry& g = l.memory(0).geometry;
  const size_t rank = g.sizes.size();
  const std::string_view name = l.name();
  if (l.refused()) return g;
  if (name == "permute_copy") return permuted(l, g, l.integers(1));
  if (name == "diagonal_copy") {
    const int a = l.dim(2, rank), b = l.dim(3, rank);
    return l.require(rank >= 2) ? diagonal(l, g, l.integer(1), a, b) : g;
  }
  if (name == "t_copy" || name == "transpose_copy") {
    Geometry swapped = g;
    const bool is_t = name == "t_copy";
    const int a = is_t ? 0 : l.dim(1, rank), b = is_t ? 1 : l.dim(2, rank);
    if (rank >= 2 && !l.refused()) swap_dims(swapped, a, b);
    return swapped;
  }
  if (name == "unfold_copy") {
    const int dim = l.dim(1, rank);
    const int64_t step = l.integer(3);
    if (!l.require(rank > 0) || l.refused()) return g;
    Geometry windows = g;
    windows.sizes[dim] = l.result_sizes()[dim];
    windows.strides[dim] *= step;
    windows.sizes.push_back(l.integer(2));
    windows.strides.push_back(g.strides[dim]);
    return windows;
  }
  if (name == "narrow_copy") {
    const int dim = l.dim(1, rank);
    int64_t start = l.integer(2);
    if (!l.require(rank > 0) || l.refused()) return g;
    if (start < 0) start += g.sizes[dim];
    return narrowed(g, dim, start, l.result_sizes()[dim]);
  }
  if (name == "squeeze_copy" || name == "unsqueeze_copy" || name == "alias_copy" || name == "detach_copy") {
    auto same = with_ones(g, l.result_sizes());
    return l.require(same.has_value()) ? *same : g;
  }
  // view_copy: dims are merged and split, which a window of contiguous memory shows at once.
  Geometry seen = Geometry::contiguous(l.result_sizes());
  seen.offset = g.offset;
  l.require(l.overload() != "dtype" && squeezed(g).strides == squeezed(Geometry::contiguous(g.sizes)).strides);
  return seen;
}

void set_window(Lowering& l, size_t k, const Geometry& window) {
  if (l.refused() || !l.require(window.sizes == l.result_sizes(k) && window.numel() > 0)) return;
  l.set(k, l.raw(0).through(window), l.dtype(0));
}

Geometry matrix(const Expr& x) {
  Geometry g = x.geometry();
  while (g.sizes.size() < 2) g = unsqueezed(g, 0);
  return g;
}

}  // namespace

void lower_view_copy(Lowering& l) {
  l.dtype(0);
  set_window(l, 0, window_of(l));
}

/// split_with_sizes_copy (self, sizes, dim), unbind_copy (self, dim)
void lower_split_copy(Lowering& l) {
  l.dtype(0);
  const Geometry g = l.memory(0).geometry;
  const bool unbinds = l.name() == "unbind_copy";
  const int dim = l.dim(unbinds ? 1 : 2, g.sizes.size());
  const std::vector<int64_t> lengths =
      unbinds && !g.sizes.empty() ? std::vector<int64_t>(g.sizes[dim], 1) : l.integers(1);
  if (!l.require(l.is_functional() && !g.sizes.empty()) || l.refused()) return;
  int64_t start = 0;
  for (size_t k = 0; k < lengths.size(); start += lengths[k++])
    if (l.wanted(k)) set_window(l, k, unbinds ? selected(g, dim, start) : narrowed(g, dim, start, lengths[k]));
}

/// (self, offset, dim1, dim2): zeros but for the diagonal of the two new dims.
void lower_diag_embed(Lowering& l) {
  const DType dtype = l.dtype(0);
  const Geometry shape = l.result_shape();
  const size_t rank = shape.sizes.size();
  const int a = l.dim(2, rank), b = l.dim(3, rank);
  if (!l.require(l.is_functional() && rank >= 2 && shape.numel() > 0) || l.refused()) return;
  const Geometry window = diagonal(l, shape, l.integer(1), a, b);
  l.require(window.sizes == l.sizes(0) && window.numel() > 0);
  if (l.refused()) return;
  l.set(l.builder().update(l.builder().fill(dtype, shape, l.builder().integer(dtype, 0)), window, l.raw(0)));
}

/// (self, src, offset, dim1, dim2)
void lower_diagonal_scatter(Lowering& l) {
  const DType dtype = l.dtype(0);
  const Geometry shape = l.result_shape();
  const size_t rank = shape.sizes.size();
  const int a = l.dim(3, rank), b = l.dim(4, rank);
  l.require(l.is_functional() && l.dtype(1) == dtype && rank >= 2);
  if (l.refused()) return;
  const Geometry window = diagonal(l, shape, l.integer(2), a, b);
  if (!l.require(window.sizes == l.sizes(1) && window.numel() > 0)) return;
  l.set(l.builder().update(l.builder().fill(dtype, shape, l.raw(0)), window, l.raw(1)));
}

void lower_trace(Lowering& l) {
  const DType dtype = l.dtype(0);
  const DType summed = is_floating(dtype) ? DType::f64 : DType::i64;
  const Geometry g = l.memory(0).geometry;
  if (!l.require(g.sizes.size() == 2 && g.numel() > 0)) return;
  Expr along = cast(summed, l.raw(0).through(diagonal(l, g, 0, 0, 1)));
  Expr total = l.builder().reduce(Op::sum_, along, {0});
  l.set(cast(l.result_dtype(), total), l.result_dtype());
}

/// (tensors): each a matrix, one after the other along the diagonal.
void lower_block_diag(Lowering& l) {
  const std::vector<Expr> blocks = l.tensors(0);
  const Geometry shape = l.result_shape();
  if (!l.require(l.is_functional() && shape.sizes.size() == 2 && shape.numel() > 0)) return;
  const DType dtype = l.result_dtype();
  Expr whole = l.builder().fill(dtype, shape, l.builder().integer(dtype, 0));
  int64_t row = 0, column = 0;
  for (const Expr& block : blocks) {
    const Geometry g = matrix(block);
    if (!l.require(g.sizes.size() == 2)) return;
    Geometry window = narrowed(narrowed(shape, 0, row, g.sizes[0]), 1, column, g.sizes[1]);
    if (g.numel() > 0) whole = l.builder().update(whole, window, block.through(g));
    row += g.sizes[0];
    column += g.sizes[1];
  }
  l.require(row == shape.sizes[0] && column == shape.sizes[1]);
  l.set(whole);
}

}  // namespace braze
