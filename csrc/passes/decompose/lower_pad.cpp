// Padding with numbers of the tensor itself. The inside is copied as a window; the rim is small, and its positions are
// computed.
#include <algorithm>

#include "graph/geometry.h"
#include "passes/decompose/aten.h"

namespace braze {
namespace {

constexpr int64_t kLarge = 1 << 20;  // bytes

struct PaddedDim {
  int dim = 0;
  int64_t before = 0, size = 0;   // of the source
  int64_t start = 0, inside = 0;  // where the copied part stands in the result
};

/// Where a place of the result, along one dim, is read.
Expr source_of(const PaddedDim& d, bool reflects, const Expr& place) {
  const Expr at = place - static_cast<double>(d.before);
  const double last = static_cast<double>(d.size - 1);
  if (!reflects) return apply(Op::minimum_, apply(Op::maximum_, at, like(at, 0)), like(at, last));
  return last - apply(Op::abs_, last - apply(Op::abs_, at));
}

/// The numbers of one part of the rim.
Expr rim(Lowering& l, const Geometry& region, const std::vector<PaddedDim>& dims, const std::vector<int64_t>& starts,
         bool reflects) {
  Access table{l.memory(0).value, l.memory(0).geometry};
  table.geometry.sizes = region.sizes;
  std::vector<IndexedDim> indexed;
  std::vector<Expr> positions;
  for (const PaddedDim& d : dims) {
    Expr place = l.builder().index(region.sizes, d.dim) + static_cast<double>(starts[d.dim]);
    indexed.push_back({d.size, table.geometry.strides[d.dim]});
    positions.push_back(source_of(d, reflects, place));
    table.geometry.strides[d.dim] = 0;
  }
  return l.builder().gather(table, std::move(indexed), positions);
}

}  // namespace

/// (self, padding): reflection_pad and replication_pad, of the last dims, in pairs from the last one.
void lower_mirrored_pad(Lowering& l) {
  const DType dtype = l.dtype(0);
  const std::vector<int64_t> pad = l.integers(1);
  const Geometry source = l.memory(0).geometry, shape = l.result_shape();
  const bool reflects = l.name().starts_with("reflection");
  const size_t rank = source.sizes.size();
  l.require(l.is_functional() && dtype == l.result_dtype() && pad.size() % 2 == 0 && pad.size() / 2 <= rank &&
            shape.sizes.size() == rank && source.numel() > 0 && shape.numel() > 0);
  if (l.refused()) return;
  // In large images the rim's columns are written when the inside has left the cache: PyTorch, which writes row after
  // row, is faster.
  l.require(shape.strides[rank - 1] != 1 || shape.numel() * info(dtype).bytes < kLarge);
  if (l.refused()) return;
  std::vector<PaddedDim> dims;
  Geometry from = source, inside = shape;
  for (size_t i = 0; i < pad.size() / 2; ++i) {
    const int dim = static_cast<int>(rank - 1 - i);
    const int64_t before = pad[2 * i], after = pad[2 * i + 1], size = source.sizes[dim];
    l.require(!reflects || (before < size && after < size && before >= 0 && after >= 0));
    if (before == 0 && after == 0) continue;
    const int64_t kept = size + std::min<int64_t>(before, 0) + std::min<int64_t>(after, 0);
    if (!l.require(kept > 0)) return;
    dims.push_back({dim, before, size, std::max<int64_t>(before, 0), kept});
    from = narrowed(from, dim, std::max<int64_t>(-before, 0), kept);
    inside = narrowed(inside, dim, dims.back().start, kept);
  }
  Expr whole = l.builder().update(l.builder().empty(dtype, shape), inside, l.raw(0).through(from));
  // The rim along one dim is as wide as the result in the dims that come after it, and as the inside in those before.
  Geometry left = shape;
  std::vector<int64_t> starts(rank, 0);
  for (const PaddedDim& d : dims) {
    const int64_t end = d.start + d.inside, after = shape.sizes[d.dim] - end;
    for (const auto& [start, count] : {std::pair{int64_t{0}, d.start}, std::pair{end, after}}) {
      if (count == 0) continue;
      const Geometry region = narrowed(left, d.dim, start, count);
      starts[d.dim] = start;
      whole = l.builder().update(whole, region, rim(l, region, dims, starts, reflects));
    }
    left = narrowed(left, d.dim, d.start, d.inside);
    starts[d.dim] = d.start;
  }
  l.set(whole);
}

}  // namespace braze
