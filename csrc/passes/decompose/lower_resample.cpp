// Operators that lay the elements of images out anew: the result is written in one pass, seen in more dims than it has.
#include <algorithm>

#include "graph/geometry.h"
#include "graph/size_division.h"
#include "passes/decompose/aten.h"

namespace braze {
namespace {

Geometry moved(Geometry g, int from, int to) {
  const int64_t size = g.sizes[from], stride = g.strides[from];
  g.sizes.erase(g.sizes.begin() + from);
  g.strides.erase(g.strides.begin() + from);
  g.sizes.insert(g.sizes.begin() + to, size);
  g.strides.insert(g.strides.begin() + to, stride);
  return g;
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
  deep = split_dim(split_dim(deep, channel, factor * factor), channel + 1, factor);
  deep = moved(moved(deep, channel + 1, channel + 3), channel + 1, channel + 4);
  wide = split_dim(split_dim(wide, channel + 2, factor), channel + 1, factor);
  l.set_seen(unshuffles ? wide : deep, unshuffles ? deep : wide);
}

/// (self, groups): channels (groups, C / groups) become (C / groups, groups).
void lower_channel_shuffle(Lowering& l) {
  l.dtype(0);
  const int64_t groups = l.integer(1);
  const Geometry from = l.memory(0).geometry, to = l.result_shape();
  if (!l.require(from.sizes.size() >= 3 && groups > 0 && from.sizes == to.sizes)) return;
  if (!l.require(from.sizes[1] % groups == 0)) return;
  l.set_seen(moved(split_dim(from, 1, from.sizes[1] / groups), 1, 2), split_dim(to, 1, groups));
}

/// (self, kernel_size, dilation, padding, stride): [N, C, H, W] to [N, C * kh * kw, places], written a place of the
/// kernel at a time where windows reach into the padding.
void lower_im2col(Lowering& l) {
  constexpr int64_t kMostTaps = 32;
  const DType dtype = l.dtype(0);
  Geometry from = l.memory(0).geometry, to = l.result_shape();
  if (!l.require(l.is_functional() && from.sizes.size() == to.sizes.size() + 1 && from.numel() > 0)) return;
  int64_t kernel[2], dilation[2], padding[2], stride[2], places[2];
  const int row = static_cast<int>(from.sizes.size()) - 2;
  for (int i = 0; i < 2; ++i) {
    auto number = [&](size_t argument) {
      const std::vector<int64_t> numbers = l.integers(argument);
      if (!l.require(numbers.size() == 1 || numbers.size() == 2)) return int64_t{1};
      return numbers[numbers.size() == 1 ? 0 : i];
    };
    kernel[i] = number(1), dilation[i] = number(2), padding[i] = number(3), stride[i] = number(4);
    if (!l.require(kernel[i] > 0 && dilation[i] > 0 && padding[i] >= 0 && stride[i] > 0)) return;
    const int64_t reach = from.sizes[row + i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1;
    if (!l.require(reach >= 0)) return;
    places[i] = quotient_of_sizes(reach, stride[i]) + 1;
  }
  const int channel = row - 1;
  if (!l.require(to.numel() > 0 && to.sizes[channel] == from.sizes[channel] * kernel[0] * kernel[1] &&
                 to.sizes[channel + 1] == places[0] * places[1]))
    return;
  to = split_dim(split_dim(split_dim(to, channel + 1, places[1]), channel, kernel[1]), channel, kernel[0]);
  if (padding[0] == 0 && padding[1] == 0) {  // C, H, W -> C, kh, kw, H, W, all of it one window
    from.sizes.insert(from.sizes.begin() + channel + 1, {kernel[0], kernel[1]});
    from.strides.insert(from.strides.begin() + channel + 1,
                        {from.strides[row] * dilation[0], from.strides[row + 1] * dilation[1]});
    for (int i = 0; i < 2; ++i) {
      from.sizes[row + 2 + i] = places[i];
      from.strides[row + 2 + i] *= stride[i];
    }
    return l.set_seen(from, to);
  }
  if (!l.require(kernel[0] * kernel[1] <= kMostTaps && dtype == l.result_dtype())) return;
  Expr whole = l.builder().fill(dtype, l.result_shape(), l.builder().integer(dtype, 0));
  for (int64_t tap = 0; tap < kernel[0] * kernel[1]; ++tap) {
    const int64_t at[2] = {tap / kernel[1], tap % kernel[1]};
    Geometry source = from, region = selected(selected(to, channel + 1, at[0]), channel + 1, at[1]);
    bool empty = false;
    for (int i = 0; i < 2; ++i) {
      const int64_t before = padding[i] - at[i] * dilation[i];  // places before the first inside are in the padding
      const int64_t first = std::max<int64_t>(0, quotient_of_sizes(before + stride[i] - 1, stride[i]));
      const int64_t reach = from.sizes[row + i] - 1 + before;
      const int64_t last = reach < 0 ? -1 : std::min(places[i] - 1, quotient_of_sizes(reach, stride[i]));
      empty |= last < first;
      if (empty) break;
      source.offset += (first * stride[i] - before) * from.strides[row + i];
      source.sizes[row + i] = last - first + 1;
      source.strides[row + i] *= stride[i];
      region = narrowed(region, row + i, first, last - first + 1);
    }
    if (!empty) whole = l.builder().update(whole, region, l.raw(0).through(source));
  }
  l.set(whole);
}

}  // namespace braze
