// Images seen at another size. Each axis is interpolated by itself, from the last to the first as ATen's kernels do, so
// an axis reads whole rows once the inner ones are done; positions and weights are computed as ATen computes them.
#include <algorithm>
#include <cmath>

#include "graph/geometry.h"
#include "passes/decompose/aten.h"

namespace braze {
namespace {

struct Axis {
  int dim = 0;
  int64_t input = 0, output = 0;
  double scale = 1;  // of positions: places of the input for one of the output
};

/// The axes of the images (all but the first two dims), with the scales that the arguments from `first` on give: one
/// each, inverted, or the quotient of the sizes.
std::vector<Axis> axes_of(Lowering& l, size_t first, bool align_corners, DType computed) {
  const std::vector<int64_t>& from = l.sizes(0);
  const std::vector<int64_t>& to = l.result_sizes();
  if (!l.require(l.is_functional() && from.size() > 2 && from.size() == to.size())) return {};
  std::vector<Axis> axes;
  auto rounded = [&](double x) { return computed == DType::f32 ? static_cast<float>(x) : x; };
  for (size_t i = 0; i + 2 < from.size(); ++i) {
    Axis a{static_cast<int>(i + 2), from[i + 2], to[i + 2]};
    if (!l.require(a.input > 0 && a.output > 0)) return {};
    const double given = l.is_none(first + i) ? 0 : l.real(first + i);
    const double in = static_cast<double>(a.input), out = static_cast<double>(a.output);
    if (align_corners)
      a.scale = a.output > 1 ? rounded((in - 1) / (out - 1)) : 0;
    else
      a.scale = rounded(given > 0 ? 1 / given : in / out);
    axes.push_back(a);
  }
  return axes;
}

/// Where each place along the axis is read, as a tensor of the axis alone.
Expr place_along(Lowering& l, const Axis& a, DType computed) {
  return cast(computed, l.builder().index({a.output}, 0));
}

Expr within(const Axis& a, const Expr& position) {
  Expr at = apply(Op::minimum_, position, like(position, static_cast<double>(a.input - 1)));
  return apply(Op::maximum_, at, like(at, 0));
}

struct Tap {
  Expr position, weight;
};

std::vector<Tap> linear_taps(Lowering& l, const Axis& a, bool align_corners, DType computed) {
  Expr place = place_along(l, a, computed);
  Expr at = align_corners ? a.scale * place : a.scale * (place + 0.5) - 0.5;
  at = select(at < 0, like(at, 0), at);
  Expr low = apply(Op::minimum_, cast(DType::i64, at), l.builder().integer(DType::i64, a.input - 1));
  Expr share = at - cast(computed, low);
  share = apply(Op::minimum_, apply(Op::maximum_, share, like(share, 0)), like(share, 1));
  return {{within(a, low + 1.0), share}, {low, 1.0 - share}};
}

/// Keys' cubic convolution with a = -0.75: the inner two taps, then the outer ones.
std::vector<Tap> cubic_taps(Lowering& l, const Axis& a, bool align_corners, DType computed) {
  const double k = -0.75;
  Expr place = place_along(l, a, computed);
  Expr at = align_corners ? a.scale * place : a.scale * (place + 0.5) - 0.5;
  Expr floor = apply(Op::floor_, at);
  Expr share = at - floor;
  auto inner = [&](const Expr& t) { return ((k + 2) * t - (k + 3)) * t * t + 1.0; };
  auto outer = [&](const Expr& t) { return ((k * t - 5 * k) * t + 8 * k) * t - 4 * k; };
  Expr rest = 1.0 - share;
  const Expr weights[4] = {outer(share + 1.0), inner(share), inner(rest), outer(rest + 1.0)};
  Expr low = cast(DType::i64, floor);
  std::vector<Tap> taps;
  taps.reserve(4);
  for (int i = 0; i < 4; ++i) taps.push_back({within(a, low + static_cast<double>(i - 1)), weights[i]});
  return taps;
}

/// ATen computes places at f32 or f64, by the dtype and by the memory's layout; most often that makes no difference.
bool is_same_at_f32(const Axis& a, bool exact) {
  for (int64_t o = 0; o < a.output; ++o) {
    const double place = static_cast<double>(o) + (exact ? 0.5 : 0);
    const float narrow = static_cast<float>(place) * static_cast<float>(a.scale);
    if (std::floor(narrow) != std::floor(place * a.scale)) return false;
  }
  return true;
}

/// By a power of two rounding cannot pick another pixel: each is written to the places it stands for, seen as a dim of
/// their own. False when an axis grows otherwise.
bool repeat_pixels(Lowering& l) {
  Geometry from = l.memory(0).geometry, to = l.result_shape();
  if (!l.is_functional() || from.sizes.size() != to.sizes.size() || from.numel() == 0) return false;
  for (size_t dim = to.sizes.size(); dim-- > 2;) {
    const int64_t factor = to.sizes[dim] / from.sizes[dim];
    if (factor * from.sizes[dim] != to.sizes[dim] || factor <= 0 || (factor & (factor - 1)) != 0) return false;
    if (!l.is_none(dim) && l.real(dim) != static_cast<double>(factor)) return false;
    const auto behind = static_cast<std::ptrdiff_t>(dim) + 1;
    to = split_dim(std::move(to), static_cast<int>(dim), factor);
    from.sizes.insert(from.sizes.begin() + behind, factor);
    from.strides.insert(from.strides.begin() + behind, 0);
  }
  if (!to.is_dense()) return false;
  l.set_seen(from, to);
  return true;
}

}  // namespace

/// (self, output_size, a scale for each axis): upsample_nearest and _upsample_nearest_exact.
void lower_upsample_nearest(Lowering& l) {
  l.dtype(0);
  if (l.refused() || repeat_pixels(l)) return;
  l.require_one_size();
  const bool exact = l.name().starts_with("_");
  const std::vector<Axis> axes = axes_of(l, 2, false, DType::f64);
  if (l.refused()) return;
  for (const Axis& a : axes) l.require(is_same_at_f32(a, exact));
  if (l.refused()) return;
  Access table = l.memory(0);
  table.geometry.sizes = l.result_sizes();
  std::vector<IndexedDim> indexed;
  std::vector<Expr> positions;
  for (const Axis& a : axes) {
    Expr place = place_along(l, a, DType::f64);
    Expr at = cast(DType::i64, apply(Op::floor_, (exact ? place + 0.5 : place) * a.scale));
    positions.push_back(within(a, at).before_dims(table.geometry.sizes.size() - a.dim - 1));
    indexed.push_back({a.input, table.geometry.strides[a.dim]});
    table.geometry.strides[a.dim] = 0;
  }
  l.set(l.builder().gather(table, std::move(indexed), positions));
}

/// (self, output_size, align_corners, a scale for each axis): linear, bilinear, trilinear and bicubic.
void lower_upsample_linear(Lowering& l) {
  l.require_one_size();
  const DType dtype = l.dtype(0), computed = opmath(dtype);
  const bool cubic = l.name() == "upsample_bicubic2d", align_corners = l.flag(2);
  l.require(is_floating(dtype) && l.memory(0).geometry.numel() > 0);
  l.require(computed == dtype || l.name() == "upsample_bilinear2d");  // eager's other kernels make halves of weights
  const std::vector<Axis> axes = axes_of(l, 3, align_corners, computed);
  if (l.refused()) return;
  Expr x = l.raw(0);
  const Geometry shape = l.result_shape();
  // With channels innermost ATen reads all taps of all axes at once, which is faster than an axis at a time.
  l.require(cubic || shape.strides[1] != 1 || shape.sizes[1] == 1);
  for (size_t i = axes.size(); i-- > 0;) {
    const Axis& a = axes[i];
    const std::vector<Tap> taps =
        cubic ? cubic_taps(l, a, align_corners, computed) : linear_taps(l, a, align_corners, computed);
    std::vector<int64_t> sizes = x.sizes();
    sizes[a.dim] = a.output;
    l.builder().lay_out_like(in_order_of(shape, sizes));
    Expr sum = l.builder().number(computed, 0);
    for (size_t k = 0; k < taps.size(); ++k) {
      Expr read = cast(computed, taken(x, a.dim, taps[k].position));
      Expr weight = taps[k].weight.before_dims(sizes.size() - a.dim - 1);
      sum = k == 0 ? read * weight : fma(read, weight, sum);
    }
    if (l.refused()) return;
    x = sum;
  }
  l.set(x, dtype);
}

}  // namespace braze
