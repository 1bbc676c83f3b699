// Pooling over windows, as elementwise operators on what each place of the window reads. At the borders windows are cut
// by the edge of the input, so the result is written in parts, one for each way in which a window may be cut.
#include <algorithm>
#include <functional>

#include "graph/geometry.h"
#include "graph/size_division.h"
#include "passes/decompose/aten.h"

namespace braze {
namespace {

constexpr size_t kMostTaps = 32;
constexpr size_t kMostParts = 9;

/// Along one dim of the images.
struct Axis {
  int dim = 0;
  int64_t input = 0, output = 0;
  int64_t kernel = 1, stride = 1, padding = 0, dilation = 1;
};

/// A run of results, along one dim, whose windows are cut alike: those taps of the kernel are inside the input.
struct Run {
  int64_t start = 0, count = 0;
  int64_t first_tap = 0, taps = 0;
};

/// A rectangle of results, with the run it is along each axis.
using Part = std::vector<Run>;

Run taps_at(const Axis& a, int64_t place) {
  Run run{place, 1, a.kernel, 0};
  for (int64_t k = 0; k < a.kernel; ++k) {
    const int64_t at = place * a.stride - a.padding + k * a.dilation;
    if (at < 0 || at >= a.input) continue;
    run.first_tap = std::min(run.first_tap, k);
    ++run.taps;
  }
  return run;
}

std::vector<Run> runs_along(const Axis& a) {
  std::vector<Run> runs;
  for (int64_t place = 0; place < a.output && runs.size() <= kMostParts; ++place) {
    const Run run = taps_at(a, place);
    const bool same = !runs.empty() && runs.back().first_tap == run.first_tap && runs.back().taps == run.taps;
    if (same)
      ++runs.back().count;
    else
      runs.push_back(run);
  }
  return runs;
}

std::vector<Part> parts_of(const std::vector<Axis>& axes) {
  std::vector<Part> parts = {{}};
  for (const Axis& a : axes) {
    std::vector<Part> longer;
    for (const Part& part : parts)
      for (const Run& run : runs_along(a)) {
        longer.push_back(part);
        longer.back().push_back(run);
      }
    parts = std::move(longer);
  }
  return parts;
}

/// What a part's results read at each place of their windows, in the order of memory in a contiguous window.
std::vector<Geometry> windows(const Geometry& input, const std::vector<Axis>& axes, const Part& part) {
  std::vector<Geometry> found = {input};
  for (size_t i = 0; i < axes.size(); ++i) {
    const Axis& a = axes[i];
    std::vector<Geometry> next;
    for (const Geometry& g : found)
      for (int64_t k = part[i].first_tap; k < part[i].first_tap + part[i].taps; ++k) {
        Geometry window = g;
        window.offset += (part[i].start * a.stride - a.padding + k * a.dilation) * g.strides[a.dim];
        window.sizes[a.dim] = part[i].count;
        window.strides[a.dim] *= a.stride;
        next.push_back(std::move(window));
      }
    found = std::move(next);
  }
  return found;
}

/// One number for all axes, one each, or `otherwise` when there are none.
std::vector<int64_t> per_axis(Lowering& l, size_t argument, const std::vector<int64_t>& otherwise) {
  std::vector<int64_t> numbers = argument < l.count() ? l.integers(argument) : std::vector<int64_t>{};
  if (numbers.empty()) return otherwise;
  if (numbers.size() == 1) numbers.resize(otherwise.size(), numbers[0]);
  l.require(numbers.size() == otherwise.size());
  return l.refused() ? otherwise : numbers;
}

/// (input, kernel_size, stride, padding, ...): the last dims of the input, as many as the operator's name says.
std::vector<Axis> read_axes(Lowering& l) {
  const size_t count = l.name().find("3d") != std::string_view::npos   ? 3
                       : l.name().find("1d") != std::string_view::npos ? 1
                                                                       : 2;
  const std::vector<int64_t>& sizes = l.sizes(0);
  if (!l.require(l.is_functional() && sizes.size() > count && sizes.size() == l.result_sizes().size())) return {};
  const std::vector<int64_t> kernel = per_axis(l, 1, std::vector<int64_t>(count, 1));
  const std::vector<int64_t> stride = per_axis(l, 2, kernel);
  const std::vector<int64_t> padding = per_axis(l, 3, std::vector<int64_t>(count, 0));
  std::vector<Axis> axes;
  size_t taps = 1;
  for (size_t i = 0; i < count; ++i) {
    const size_t dim = sizes.size() - count + i;
    axes.push_back({static_cast<int>(dim), sizes[dim], l.result_sizes()[dim], kernel[i], stride[i], padding[i], 1});
    taps *= static_cast<size_t>(kernel[i]);
  }
  l.require(taps <= kMostTaps && l.memory(0).geometry.numel() > 0 && l.result_shape().numel() > 0);
  return axes;
}

/// A part's results (one for each result of the operator), from what its windows read.
using Combine = std::function<std::vector<Expr>(const std::vector<Expr>& taps, const Part& part)>;

void pool(Lowering& l, const std::vector<Axis>& axes, DType computed, const Combine& combine) {
  const std::vector<Part> parts = parts_of(axes);
  l.require(parts.size() <= kMostParts);
  for (const Part& part : parts)
    for (const Run& run : part) l.require(run.taps > 0);
  if (l.refused()) return;
  std::vector<Expr> wholes;
  for (const Part& part : parts) {
    std::vector<Expr> taps;
    for (Geometry& window : windows(l.memory(0).geometry, axes, part))
      taps.push_back(cast(computed, l.raw(0).through(std::move(window))));
    const std::vector<Expr> made = combine(taps, part);
    for (size_t k = 0; k < made.size(); ++k) {
      const DType dtype = l.result_dtype(k);
      if (parts.size() == 1) {
        l.set(k, cast(dtype, made[k]), dtype);
        continue;
      }
      Geometry region = l.result_shape(k);
      if (wholes.size() == k) wholes.push_back(l.builder().empty(dtype, region));
      for (size_t i = 0; i < axes.size(); ++i) region = narrowed(region, axes[i].dim, part[i].start, part[i].count);
      wholes[k] = l.builder().update(wholes[k], region, cast(dtype, made[k]));
    }
  }
  for (size_t k = 0; k < wholes.size(); ++k) l.set(k, wholes[k]);
}

/// Where each tap of a part's windows stands in the images, counted as a contiguous image would be.
struct TapPlaces {
  Expr window;                // the place (0, 0, ...) of the kernel
  std::vector<int64_t> taps;  // what is added to it
};

TapPlaces places(Lowering& l, const std::vector<Axis>& axes, const Part& part) {
  std::vector<int64_t> sizes = l.result_sizes(), taps = {0};
  for (size_t i = 0; i < axes.size(); ++i) sizes[axes[i].dim] = part[i].count;
  Expr window = l.builder().integer(DType::i64, 0);
  int64_t pitch = 1;
  for (const Axis& a : axes) pitch *= a.input;
  for (size_t i = 0; i < axes.size(); ++i) {
    const Axis& a = axes[i];
    pitch /= a.input;
    const int64_t first = part[i].start * a.stride - a.padding;
    Expr along = l.builder().index(sizes, a.dim) * static_cast<double>(a.stride) + static_cast<double>(first);
    window = window + along * static_cast<double>(pitch);
    std::vector<int64_t> next;
    for (int64_t tap : taps)
      for (int64_t k = part[i].first_tap; k < part[i].first_tap + part[i].taps; ++k)
        next.push_back(tap + k * a.dilation * pitch);
    taps = std::move(next);
  }
  return {window, taps};
}

/// The first of equal maxima is kept, and a NaN wins. The second result, where one is read, says which was kept.
void max_pool(Lowering& l, const std::vector<Axis>& axes) {
  const DType dtype = l.dtype(0), computed = opmath(dtype);
  if (l.refused() || !l.require(dtype == l.result_dtype() && dtype != DType::b1)) return;
  const bool says_where = l.is_read(1);
  double places_in_image = 1;
  for (const Axis& a : axes) places_in_image *= static_cast<double>(a.input);
  if (!l.require(!says_where || places_in_image < 0x1p31)) return;  // places within a window are counted in i32
  pool(l, axes, computed, [&](const std::vector<Expr>& taps, const Part& part) {
    std::vector<Expr> wins;
    Expr best = taps[0];
    for (size_t i = 1; i < taps.size(); ++i) {
      Expr win = taps[i] > best;
      if (is_floating(computed)) win = either(win, apply(Op::is_nan_, taps[i]));
      best = select(win, taps[i], best);
      wins.push_back(std::move(win));
    }
    if (!says_where) return std::vector<Expr>{best};
    const TapPlaces at = places(l, axes, part);
    auto number = [&](int64_t place) { return l.builder().integer(DType::i32, place); };
    Expr place = number(at.taps[0]);
    for (size_t i = 0; i < wins.size(); ++i) place = select(wins[i], number(at.taps[i + 1]), place);
    return std::vector<Expr>{best, at.window + cast(DType::i64, place)};
  });
}

void avg_pool(Lowering& l, const std::vector<Axis>& axes, bool counts_padding, int64_t divisor) {
  pool(l, axes, opmath(l.dtype(0)), [&](const std::vector<Expr>& taps, const Part& part) {
    int64_t count = 1;
    for (size_t i = 0; i < axes.size(); ++i) count *= counts_padding ? axes[i].kernel : part[i].taps;
    Expr sum = taps[0] + 0.0;
    for (size_t i = 1; i < taps.size(); ++i) sum = sum + taps[i];
    return std::vector<Expr>{sum / static_cast<double>(divisor > 0 ? divisor : count)};
  });
}

/// The axes of adaptive pooling, (input, output_size); `kernel` is the widest window's.
std::vector<Axis> adaptive_axes(Lowering& l) {
  const std::vector<int64_t>& from = l.sizes(0);
  const std::vector<int64_t>& to = l.result_sizes();
  const size_t count = l.name().ends_with("3d") ? 3 : 2;
  l.require(l.is_functional() && from.size() > count && from.size() == to.size());
  if (l.refused() || !l.require(l.memory(0).geometry.numel() > 0 && l.result_shape().numel() > 0)) return {};
  std::vector<Axis> axes;
  for (size_t dim = from.size() - count; dim < from.size(); ++dim) {
    Axis a{static_cast<int>(dim), from[dim], to[dim]};
    a.stride = quotient_of_sizes(a.input, a.output);
    for (int64_t o = 0; o < a.output; ++o)
      a.kernel = std::max(a.kernel, ((o + 1) * a.input + a.output - 1) / a.output - o * a.input / a.output);
    axes.push_back(a);
  }
  return axes;
}

/// All windows are alike: each axis is seen as (windows, places of one) and reduced.
Expr reduced_windows(Lowering& l, const std::vector<Axis>& axes, DType computed, Op op) {
  Geometry g = l.memory(0).geometry;
  std::vector<int> dims;
  for (size_t i = 0; i < axes.size(); ++i) {
    const int dim = axes[i].dim + static_cast<int>(i);
    g = split_dim(std::move(g), dim, axes[i].kernel);
    dims.push_back(dim + 1);
  }
  Expr made = l.builder().reduce(op, cast(computed, l.raw(0).through(g)), dims);
  if (l.refused()) return made;
  Geometry seen = made.geometry();
  for (size_t i = dims.size(); i-- > 0;) seen = selected(seen, dims[i], 0);
  return made.through(seen);
}

/// Windows of several sizes, an axis after the other, at computed positions. Averages are sums to be divided at the
/// end.
Expr uneven_windows(Lowering& l, const std::vector<Axis>& axes, DType computed, bool averages) {
  Expr x = l.raw(0);
  for (size_t i = axes.size(); i-- > 0;) {
    const Axis& a = axes[i];
    std::vector<int64_t> sizes = x.sizes();
    sizes[a.dim] = a.output;
    l.builder().lay_out_like(in_order_of(l.result_shape(), sizes));
    const double out = static_cast<double>(a.output);
    auto along = [&](const Expr& e) { return e.before_dims(sizes.size() - a.dim - 1); };
    Expr place = l.builder().index({a.output}, 0) * static_cast<double>(a.input);
    Expr start = place / out, last = (place + static_cast<double>(a.input - 1)) / out;
    Expr total = l.builder().number(computed, 0);
    for (int64_t k = 0; k < a.kernel; ++k) {
      Expr at = apply(Op::minimum_, start + static_cast<double>(k), last);
      Expr read = cast(computed, taken(x, a.dim, at));
      if (averages) read = select(along(start + static_cast<double>(k) <= last), read, like(read, 0));
      total = k == 0 ? read : averages ? total + read : apply(Op::maximum_, total, read);
    }
    x = averages ? total / cast(computed, along(last - start + 1.0)) : total;
  }
  return x;
}

}  // namespace

/// (self, kernel_size, stride, padding, dilation, ceil_mode)
void lower_max_pool(Lowering& l) {
  std::vector<Axis> axes = read_axes(l);
  if (l.refused()) return;
  const std::vector<int64_t> dilation = per_axis(l, 4, std::vector<int64_t>(axes.size(), 1));
  for (size_t i = 0; i < axes.size(); ++i) axes[i].dilation = dilation[i];
  max_pool(l, axes);
}

/// (self, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
void lower_avg_pool(Lowering& l) {
  const std::vector<Axis> axes = read_axes(l);
  const DType dtype = l.dtype(0);
  l.require(is_floating(dtype) && dtype == l.result_dtype());
  if (l.refused()) return;
  const bool counts_padding = l.count() <= 5 || l.flag(5);
  const int64_t divisor = l.count() > 6 && !l.is_none(6) ? l.integer(6) : 0;
  if (l.refused() || !l.require(divisor >= 0)) return;
  // With ceil_mode the last window may reach beyond the padding, which is not counted either.
  for (const Axis& a : axes)
    if (counts_padding && divisor == 0)
      l.require((a.output - 1) * a.stride - a.padding + a.kernel <= a.input + a.padding);
  if (!l.refused()) avg_pool(l, axes, counts_padding, divisor);
}

/// (self, output_size): _adaptive_avg_pool and adaptive_max_pool.
void lower_adaptive_pool(Lowering& l) {
  l.require_one_size();
  const std::vector<Axis> axes = adaptive_axes(l);
  const DType dtype = l.dtype(0), computed = opmath(dtype);
  const bool averages = l.name() == "_adaptive_avg_pool2d" || l.name() == "_adaptive_avg_pool3d";
  l.require(dtype == l.result_dtype() && dtype != DType::b1 && (!averages || is_floating(dtype)));
  l.require(l.name() != "_adaptive_avg_pool3d" || computed == dtype);  // eager adds halves as halves
  if (l.refused()) return;
  bool even = true;
  size_t taps = 1;
  for (const Axis& a : axes) {
    even &= a.output * a.stride == a.input;
    taps *= static_cast<size_t>(a.kernel);
  }
  if (even && taps <= kMostTaps) return averages ? avg_pool(l, axes, false, 0) : max_pool(l, axes);
  l.require(!l.is_read(1));
  for (const Axis& a : axes) l.require(even || a.kernel <= static_cast<int64_t>(kMostTaps));
  if (l.refused()) return;
  if (!even) return l.set(uneven_windows(l, axes, computed, averages), dtype);
  Expr made = reduced_windows(l, axes, computed, averages ? Op::sum_ : Op::max_);
  l.set(averages ? made / static_cast<double>(taps) : made, dtype);
}

}  // namespace braze
