// Operators that lay the elements of images out anew: the result is written in one pass, seen in more dims than it has.
#include "graph/geometry.h"
#include "passes/decompose/aten.h"

namespace braze {
namespace {

/// A dim seen as (size / inner, inner).
Geometry split(Geometry g, int dim, int64_t inner) {
  const int64_t stride = g.strides[dim];
  g.sizes[dim] /= inner;
  g.strides[dim] = stride * inner;
  g.sizes.insert(g.sizes.begin() + dim + 1, inner);
  g.strides.insert(g.strides.begin() + dim + 1, stride);
  return g;
}

Geometry moved(Geometry g, int from, int to) {
  const int64_t size = g.sizes[from], stride = g.strides[from];
  g.sizes.erase(g.sizes.begin() + from);
  g.strides.erase(g.strides.begin() + from);
  g.sizes.insert(g.sizes.begin() + to, size);
  g.strides.insert(g.strides.begin() + to, stride);
  return g;
}

void set_seen(Lowering& l, const Geometry& from, const Geometry& to) {
  if (l.refused() || !l.require(l.is_functional() && from.sizes == to.sizes && to.is_dense() && to.numel() > 0)) return;
  l.set_in_shape(0, l.builder().fill(l.result_dtype(), to, l.raw(0).through(from)), l.dtype(0), to);
}

}  // namespace

/// pixel_shuffle and pixel_unshuffle (self, factor): channels (C, r, r) become r x r pixels, or the other way.
void lower_pixel_shuffle(Lowering& l) {
  l.dtype(0);
  const int64_t factor = l.integer(1);
  const bool unshuffles = l.name() == "pixel_unshuffle";
  if (!l.require(l.sizes(0).size() >= 3 && factor > 0)) return;
  Geometry deep = unshuffles ? l.result_shape() : l.memory(0).geometry;
  Geometry wide = unshuffles ? l.memory(0).geometry : l.result_shape();
  const int channel = static_cast<int>(deep.sizes.size()) - 3;
  if (!l.require(wide.sizes.size() == deep.sizes.size() && deep.sizes[channel] % (factor * factor) == 0)) return;
  // deep: C, r, r, H, W -> C, H, r, W, r
  deep = split(split(deep, channel, factor * factor), channel + 1, factor);
  deep = moved(moved(deep, channel + 1, channel + 3), channel + 1, channel + 4);
  wide = split(split(wide, channel + 2, factor), channel + 1, factor);
  set_seen(l, unshuffles ? wide : deep, unshuffles ? deep : wide);
}

/// upsample_nearest2d (self, output_size, scales_h, scales_w) by a power of two, where rounding cannot pick another
/// pixel.
void lower_upsample_nearest(Lowering& l) {
  l.dtype(0);
  Geometry from = l.memory(0).geometry, to = l.result_shape();
  if (!l.require(from.sizes.size() == 4 && to.sizes.size() == 4 && from.numel() > 0)) return;
  for (int dim : {3, 2}) {
    const int64_t factor = to.sizes[dim] / from.sizes[dim];
    const size_t scale = static_cast<size_t>(dim);
    l.require(factor * from.sizes[dim] == to.sizes[dim] && factor > 0 && (factor & (factor - 1)) == 0);
    l.require(l.is_none(scale) || l.real(scale) == static_cast<double>(factor));
    if (l.refused()) return;
    to = split(to, dim, factor);
    from.sizes.insert(from.sizes.begin() + dim + 1, factor);
    from.strides.insert(from.strides.begin() + dim + 1, 0);
  }
  set_seen(l, from, to);
}

}  // namespace braze
