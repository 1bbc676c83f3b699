#include "graph/geometry.h"

#include <algorithm>
#include <numeric>

#include "graph/size_division.h"

namespace braze {
namespace {

/// A dim of a written shape with the stride of the copied source beside it.
struct PairedDim {
  int64_t size, written, source;
};

/// The dims of size > 1, outermost first in memory, with neighbours that step alike on both sides merged.
std::vector<PairedDim> paired_dims(const Geometry& region, const Geometry& source) {
  std::vector<PairedDim> dims;
  for (size_t i = 0; i < region.sizes.size(); ++i)
    if (region.sizes[i] != 1) dims.push_back({region.sizes[i], region.strides[i], source.strides[i]});
  std::sort(dims.begin(), dims.end(), [](const PairedDim& a, const PairedDim& b) { return a.written > b.written; });
  std::vector<PairedDim> merged;
  for (const PairedDim& d : dims) {
    if (!merged.empty() && merged.back().written == d.written * d.size && merged.back().source == d.source * d.size)
      merged.back() = {merged.back().size * d.size, d.written, d.source};
    else
      merged.push_back(d);
  }
  return merged;
}

/// True when an address in the region tells the position along each dim: every dim steps over all that the inner ones
/// reach.
bool are_nested(const std::vector<PairedDim>& dims) {
  int64_t reach = 1;
  for (size_t k = dims.size(); k-- > 0;) {
    if (dims[k].written < reach) return false;
    reach = dims[k].written * dims[k].size;
  }
  return true;
}

}  // namespace

std::optional<std::vector<int64_t>> broadcast_sizes(const std::vector<int64_t>& a, const std::vector<int64_t>& b) {
  const auto& longer = a.size() >= b.size() ? a : b;
  const auto& shorter = a.size() >= b.size() ? b : a;
  std::vector<int64_t> sizes = longer;
  size_t lead = longer.size() - shorter.size();
  for (size_t i = 0; i < shorter.size(); ++i) {
    int64_t& size = sizes[lead + i];
    if (size == shorter[i] || shorter[i] == 1) continue;
    if (size != 1) return std::nullopt;
    size = shorter[i];
  }
  return sizes;
}

std::optional<Geometry> broadcast_to(const Geometry& g, const std::vector<int64_t>& sizes) {
  if (g.sizes == sizes) return g;
  if (g.sizes.size() > sizes.size()) return std::nullopt;
  Geometry result{g.offset, sizes, std::vector<int64_t>(sizes.size(), 0)};
  size_t lead = sizes.size() - g.sizes.size();
  for (size_t i = 0; i < g.sizes.size(); ++i) {
    if (g.sizes[i] == sizes[lead + i])
      result.strides[lead + i] = g.strides[i];
    else if (g.sizes[i] != 1)
      return std::nullopt;
  }
  return result;
}

Geometry squeezed(const Geometry& g) {
  Geometry result;
  result.offset = g.offset;
  for (size_t i = 0; i < g.sizes.size(); ++i) {
    if (g.sizes[i] == 1) continue;
    result.sizes.push_back(g.sizes[i]);
    result.strides.push_back(g.strides[i]);
  }
  return result;
}

std::optional<Geometry> with_ones(const Geometry& g, const std::vector<int64_t>& sizes) {
  Geometry core = squeezed(g);
  Geometry result{g.offset, sizes, std::vector<int64_t>(sizes.size(), 1)};
  size_t next = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 1) continue;
    if (next == core.sizes.size() || core.sizes[next] != sizes[i]) return std::nullopt;
    result.strides[i] = core.strides[next++];
  }
  if (next != core.sizes.size()) return std::nullopt;
  return result;
}

Geometry laid_out_like(const Geometry& like, const std::vector<int64_t>& sizes) {
  if (like.sizes == sizes && like.is_dense()) return like;
  auto same = with_ones(like, sizes);
  return same && same->is_dense() ? *same : Geometry::contiguous(sizes);
}

Geometry in_order_of(const Geometry& like, const std::vector<int64_t>& sizes) {
  std::vector<size_t> order(sizes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return like.strides[a] > like.strides[b]; });
  Geometry g{0, sizes, std::vector<int64_t>(sizes.size())};
  int64_t stride = 1;
  for (size_t i = order.size(); i-- > 0; stride *= sizes[order[i]]) g.strides[order[i]] = stride;
  return g;
}

Geometry narrowed(Geometry g, int dim, int64_t start, int64_t size) {
  if (size > 0) g.offset += start * g.strides[dim];
  g.sizes[dim] = size;
  return g;
}

Geometry selected(Geometry g, int dim, int64_t position) {
  g.offset += position * g.strides[dim];
  g.sizes.erase(g.sizes.begin() + dim);
  g.strides.erase(g.strides.begin() + dim);
  return g;
}

Geometry with_channels_last(const std::vector<int64_t>& sizes) {
  const int64_t c = sizes[1], h = sizes[2], w = sizes[3];
  return {0, sizes, {c * h * w, 1, c * w, c}};
}

bool lies_channels_last(const Geometry& g) {
  return g.sizes.size() == 4 && squeezed({0, g.sizes, g.strides}) == squeezed(with_channels_last(g.sizes));
}

Geometry unsqueezed(Geometry g, int dim) {
  g.sizes.insert(g.sizes.begin() + dim, 1);
  g.strides.insert(g.strides.begin() + dim, 1);
  return g;
}

Geometry split_dim(Geometry g, int dim, int64_t inner) {
  const int64_t stride = g.strides[dim];
  g.sizes[dim] /= inner;
  g.strides[dim] = stride * inner;
  g.sizes.insert(g.sizes.begin() + dim + 1, inner);
  g.strides.insert(g.strides.begin() + dim + 1, stride);
  return g;
}

std::optional<Geometry> look_through(const Geometry& window, const Geometry& region, const Geometry& source) {
  if (region.sizes != source.sizes || region.numel() == 0) return std::nullopt;
  Geometry result{source.offset, window.sizes, std::vector<int64_t>(window.sizes.size(), 0)};
  if (window.numel() == 0) return Geometry{0, window.sizes, result.strides};
  std::vector<PairedDim> dims = paired_dims(region, source);
  int64_t rest = window.offset - region.offset;
  if (!are_nested(dims) || rest < 0) return std::nullopt;
  std::vector<int64_t> reach(dims.size());  // the largest position used along each dim
  for (size_t k = 0; k < dims.size(); ++k) {
    reach[k] = quotient_of_sizes(rest, dims[k].written);
    rest -= reach[k] * dims[k].written;
    result.offset += reach[k] * dims[k].source;
  }
  if (rest != 0) return std::nullopt;
  for (size_t i = 0; i < window.sizes.size(); ++i) {
    if (window.sizes[i] == 1) continue;
    int64_t left = window.strides[i];
    for (size_t k = 0; k < dims.size(); ++k) {
      const int64_t step = quotient_of_sizes(left, dims[k].written);
      left -= step * dims[k].written;
      reach[k] += step * (window.sizes[i] - 1);
      result.strides[i] += step * dims[k].source;
    }
    if (left != 0) return std::nullopt;
  }
  for (size_t k = 0; k < dims.size(); ++k)
    if (reach[k] >= dims[k].size) return std::nullopt;
  return result;
}

bool are_disjoint(const Geometry& a, const Geometry& b) {
  if (a.numel() == 0 || b.numel() == 0) return true;
  if (a.extent() <= b.offset || b.extent() <= a.offset) return true;
  // Columns of one matrix: every stride a multiple of a common step, offsets apart within it.
  for (const Geometry* g : {&a, &b}) {
    for (size_t i = 0; i < g->sizes.size(); ++i) {
      const int64_t step = g->strides[i];
      if (g->sizes[i] == 1 || step <= 1) continue;
      auto columns = [step](const Geometry& w) -> std::pair<int64_t, int64_t> {
        int64_t low = remainder_of_sizes(w.offset, step), high = low;
        for (size_t j = 0; j < w.sizes.size(); ++j)
          if (remainder_of_sizes(w.strides[j], step) != 0) high += (w.sizes[j] - 1) * w.strides[j];
        return {low, high};
      };
      auto [a_low, a_high] = columns(a);
      auto [b_low, b_high] = columns(b);
      if (a_high < step && b_high < step && (a_high < b_low || b_high < a_low)) return true;
    }
  }
  return false;
}

}  // namespace braze
