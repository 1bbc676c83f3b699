// Pooling over windows, as elementwise operators on what each place of the window reads. At the borders windows are cut
// by the edge of the input, so the result is written in parts, one for each way in which a window may be cut.
#include <algorithm>
#include <functional>

#include "graph/geometry.h"
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

using Combine = std::function<Expr(const std::vector<Expr>& taps, const Part& part)>;

void pool(Lowering& l, const std::vector<Axis>& axes, DType computed, const Combine& combine) {
  const std::vector<Part> parts = parts_of(axes);
  l.require(parts.size() <= kMostParts);
  for (const Part& part : parts)
    for (const Run& run : part) l.require(run.taps > 0);
  if (l.refused()) return;
  const Geometry shape = l.result_shape();
  const DType made = l.result_dtype();
  auto result_of = [&](const Part& part) {
    std::vector<Expr> taps;
    for (Geometry& window : windows(l.memory(0).geometry, axes, part))
      taps.push_back(cast(computed, l.raw(0).through(std::move(window))));
    return cast(made, combine(taps, part));
  };
  if (parts.size() == 1) return l.set(result_of(parts[0]));
  Expr whole = l.builder().empty(made, shape);
  for (const Part& part : parts) {
    Geometry region = shape;
    for (size_t i = 0; i < axes.size(); ++i) region = narrowed(region, axes[i].dim, part[i].start, part[i].count);
    whole = l.builder().update(whole, region, result_of(part));
  }
  l.set(whole);
}

}  // namespace

/// (self, kernel_size, stride, padding, dilation, ceil_mode): the first of equal maxima is kept, and a NaN wins.
void lower_max_pool(Lowering& l) {
  std::vector<Axis> axes = read_axes(l);
  l.require(!l.is_read(1));
  if (l.refused()) return;
  const std::vector<int64_t> dilation = per_axis(l, 4, std::vector<int64_t>(axes.size(), 1));
  for (size_t i = 0; i < axes.size(); ++i) axes[i].dilation = dilation[i];
  const DType dtype = l.dtype(0);
  if (l.refused() || !l.require(dtype == l.result_dtype())) return;
  const DType computed = opmath(dtype);
  pool(l, axes, computed, [&](const std::vector<Expr>& taps, const Part&) {
    Expr best = taps[0];
    for (size_t i = 1; i < taps.size(); ++i) {
      Expr wins = taps[i] > best;
      if (is_floating(computed)) wins = either(wins, apply(Op::is_nan_, taps[i]));
      best = select(wins, taps[i], best);
    }
    return best;
  });
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
  if (l.refused()) return;
  pool(l, axes, opmath(dtype), [&](const std::vector<Expr>& taps, const Part& part) {
    int64_t count = 1;
    for (size_t i = 0; i < axes.size(); ++i) count *= counts_padding ? axes[i].kernel : part[i].taps;
    Expr sum = taps[0] + 0.0;
    for (size_t i = 1; i < taps.size(); ++i) sum = sum + taps[i];
    return sum / static_cast<double>(divisor > 0 ? divisor : count);
  });
}

}  // namespace braze
