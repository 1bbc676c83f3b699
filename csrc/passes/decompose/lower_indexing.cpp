// Loads whose addresses come from integer tensors. An index out of range makes the kernel report failure, and the call
// is run eagerly to raise what eager raises; operators that take no negative index get theirs moved out of range first.
#include <algorithm>

#include "graph/geometry.h"
#include "passes/decompose/aten.h"

namespace braze {
namespace {

Expr index_tensor(Lowering& l, const Expr& x) {
  l.require(!x.is_number() && (x.dtype() == DType::i64 || x.dtype() == DType::i32));
  return cast(DType::i64, x);
}

/// Negative positions become `size`, which is out of range.
Expr without_negatives(const Expr& position, int64_t size) {
  return select(position < 0, position.builder().integer(DType::i64, size), position);
}

/// Rows of `table` along `dim`, at positions of any shape that take the place of the dim.
void select_rows(Lowering& l, const Access& table, int dim, const Expr& positions) {
  const Geometry& g = table.geometry;
  Expr index = index_tensor(l, positions);
  if (l.refused() || !l.require(g.numel() > 0)) return;
  const std::vector<int64_t> at = index.sizes();
  const size_t after = g.sizes.size() - dim - 1;
  Access spread{table.value, {g.offset, {}, {}}};
  spread.geometry.sizes.assign(g.sizes.begin(), g.sizes.begin() + dim);
  spread.geometry.strides.assign(g.strides.begin(), g.strides.begin() + dim);
  spread.geometry.sizes.insert(spread.geometry.sizes.end(), at.begin(), at.end());
  spread.geometry.strides.insert(spread.geometry.strides.end(), at.size(), 0);
  spread.geometry.sizes.insert(spread.geometry.sizes.end(), g.sizes.end() - after, g.sizes.end());
  spread.geometry.strides.insert(spread.geometry.strides.end(), g.strides.end() - after, g.strides.end());
  if (!l.require(spread.geometry.numel() > 0)) return;
  Expr checked = without_negatives(index, g.sizes[dim]);
  l.set(l.builder().gather(spread, {{g.sizes[dim], g.strides[dim]}}, {checked.before_dims(after)}));
}

}  // namespace

/// (self, dim, index)
void lower_index_select(Lowering& l) {
  l.dtype(0);
  const size_t rank = l.sizes(0).size();
  const int dim = l.dim(1, rank);
  l.require(rank > 0 && l.sizes(2).size() == 1);
  if (!l.refused()) select_rows(l, l.memory(0), dim, l.raw(2));
}

/// (weight, indices, padding_idx, scale_grad_by_freq, sparse)
void lower_embedding(Lowering& l) {
  l.dtype(0);
  l.require(l.sizes(0).size() == 2 && l.is_memory(1));
  if (!l.refused()) select_rows(l, l.memory(0), 0, l.raw(1));
}

/// (self, dim, index, sparse_grad)
void lower_gather(Lowering& l) {
  l.dtype(0);
  const Geometry g = l.memory(0).geometry;
  const int dim = l.dim(1, g.sizes.size());
  l.require(l.is_memory(2) && !g.sizes.empty() && l.sizes(2).size() == g.sizes.size() && g.numel() > 0);
  if (l.refused()) return;
  Expr index = index_tensor(l, l.raw(2));
  if (!l.require(!l.refused() && index.numel() > 0)) return;
  Access table{l.memory(0).value, {g.offset, index.sizes(), g.strides}};
  for (size_t i = 0; i < g.sizes.size(); ++i) l.require(static_cast<int>(i) == dim || index.sizes()[i] <= g.sizes[i]);
  table.geometry.strides[dim] = 0;
  if (l.refused()) return;
  l.set(l.builder().gather(table, {{g.sizes[dim], g.strides[dim]}}, {without_negatives(index, g.sizes[dim])}));
}

/// index(self, Tensor?[] indices): integer tensors broadcast together; their dims stand where the first indexed dim was
/// when the indexed dims are neighbours, and in front otherwise.
void lower_index(Lowering& l) {
  l.dtype(0);
  const Geometry g = l.memory(0).geometry;
  auto* list = std::get_if<TensorListArg>(&l.arg(1));
  if (!l.require(list && list->operands.size() <= g.sizes.size() && g.numel() > 0)) return;
  std::vector<int64_t> at;
  std::vector<int> indexed_dims;
  std::vector<Expr> positions;
  for (size_t i = 0; i < list->operands.size(); ++i) {
    if (list->operands[i] < 0) continue;
    positions.push_back(index_tensor(l, l.operand(list->operands[i])));
    if (l.refused()) return;
    auto joined = broadcast_sizes(at, positions.back().sizes());
    if (!l.require(joined.has_value())) return;
    at = *joined;
    indexed_dims.push_back(static_cast<int>(i));
  }
  if (!l.require(!indexed_dims.empty())) return;
  const bool neighbours = indexed_dims.back() - indexed_dims.front() + 1 == static_cast<int>(indexed_dims.size());
  const size_t lead = neighbours ? indexed_dims.front() : 0;
  Access table{l.memory(0).value, {g.offset, {}, {}}};
  std::vector<IndexedDim> indexed;
  indexed.reserve(indexed_dims.size());
  for (int d : indexed_dims) indexed.push_back({g.sizes[d], g.strides[d]});
  size_t trail = 0;
  auto add_positions = [&] {
    table.geometry.sizes.insert(table.geometry.sizes.end(), at.begin(), at.end());
    table.geometry.strides.insert(table.geometry.strides.end(), at.size(), 0);
    trail = 0;
  };
  if (lead == 0) add_positions();
  for (size_t i = 0; i < g.sizes.size(); ++i) {
    if (std::find(indexed_dims.begin(), indexed_dims.end(), static_cast<int>(i)) != indexed_dims.end()) continue;
    if (lead > 0 && i == lead + indexed_dims.size()) add_positions();
    table.geometry.sizes.push_back(g.sizes[i]);
    table.geometry.strides.push_back(g.strides[i]);
    ++trail;
  }
  if (lead > 0 && lead + indexed_dims.size() == g.sizes.size()) add_positions();
  if (!l.require(table.geometry.numel() > 0)) return;
  for (Expr& position : positions) position = position.before_dims(trail);
  l.set(l.builder().gather(table, std::move(indexed), positions));
}

/// (self, index): positions among all elements in row-major order.
void lower_take(Lowering& l) {
  l.dtype(0);
  const Geometry g = l.memory(0).geometry;
  Expr index = index_tensor(l, l.raw(1));
  if (l.refused() || !l.require(g.numel() > 0 && index.numel() > 0)) return;
  Expr flat = l.raw(0);
  if (squeezed(g).strides != squeezed(Geometry::contiguous(g.sizes)).strides)
    flat = l.builder().fill(flat.dtype(), Geometry::contiguous(g.sizes), flat);
  const std::vector<int64_t> sizes = index.sizes();
  Access table{std::get<Access>(flat.operand()).value,
               {flat.geometry().offset, sizes, std::vector<int64_t>(sizes.size(), 0)}};
  l.set(l.builder().gather(table, {{g.numel(), 1}}, {index}));
}

namespace {

constexpr int64_t kFewNumbers = 16;

}  // namespace

/// (elements, test_elements, assume_unique, invert), where few numbers are looked for.
void lower_isin(Lowering& l) {
  const DType common = l.common_dtype({0, 1});
  const bool invert = l.flag(3);
  l.require(l.is_memory(0) && !l.refused());
  if (l.refused()) return;
  const Expr wanted = l.raw(1);
  if (!l.require(wanted.numel() > 0 && wanted.numel() <= kFewNumbers)) return;
  Expr x = l.in(0, common), found = l.builder().integer(DType::b1, 0);
  for (const Expr& e : elements_of(wanted)) {
    Expr same = x == cast(opmath(common), cast(common, e));
    found = found.is_number() ? same : either(found, same);
  }
  l.set(invert ? apply(Op::not_, found) : found, DType::b1);
}

/// bucketize (self, boundaries, out_int32, right) and searchsorted (sequence, self, out_int32, right, side, sorter),
/// with few boundaries: how many of them stand before.
void lower_bucketize(Lowering& l) {
  const bool searches = l.name() == "searchsorted";
  const size_t numbers = searches ? 1 : 0, boundaries = searches ? 0 : 1;
  const bool right = l.flag(3) || (searches && !l.is_none(4) && l.text(4) == "right");
  const DType dtype = l.dtype(boundaries);
  l.require(l.is_memory(numbers) && l.dtype(numbers) == dtype && (!searches || l.is_none(5)));
  if (l.refused()) return;
  const Geometry edges = l.memory(boundaries).geometry;
  const int last = static_cast<int>(edges.sizes.size()) - 1;
  if (!l.require(last >= 0 && edges.sizes[last] > 0 && edges.sizes[last] <= kFewNumbers)) return;
  l.require(last == 0 || l.sizes(numbers).size() == edges.sizes.size());
  if (l.refused()) return;
  Expr x = l.in(numbers, dtype), count = l.builder().integer(DType::i32, 0);
  for (int64_t i = 0; i < edges.sizes[last]; ++i) {
    Geometry edge = last == 0 ? selected(edges, 0, i) : narrowed(edges, last, i, 1);
    Expr at = cast(opmath(dtype), l.raw(boundaries).through(std::move(edge)));
    Expr stands_before = apply(Op::not_, right ? at > x : at >= x);
    count = count + cast(DType::i32, stands_before);
  }
  l.set(cast(l.result_dtype(), count), l.result_dtype());
}

}  // namespace braze
