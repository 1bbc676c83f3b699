#include "graph/graph.h"

#include <algorithm>
#include <numeric>

#include "support/error.h"

namespace braze {

Geometry Geometry::contiguous(std::vector<int64_t> sizes) {
  Geometry g;
  g.strides.resize(sizes.size());
  int64_t stride = 1;
  for (size_t i = sizes.size(); i-- > 0;) {
    g.strides[i] = stride;
    stride *= std::max<int64_t>(sizes[i], 1);
  }
  g.sizes = std::move(sizes);
  return g;
}

int64_t Geometry::numel() const { return std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<>()); }

int64_t Geometry::extent() const {
  if (numel() == 0) return 0;
  int64_t last = offset;
  for (size_t i = 0; i < sizes.size(); ++i) last += (sizes[i] - 1) * strides[i];
  return last + 1;
}

bool Geometry::is_dense() const {
  if (numel() == 0) return true;
  if (offset != 0) return false;
  std::vector<size_t> order;
  for (size_t i = 0; i < sizes.size(); ++i)
    if (sizes[i] != 1) order.push_back(i);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return strides[a] < strides[b]; });
  int64_t expected = 1;
  for (size_t i : order) {
    if (strides[i] != expected) return false;
    expected *= sizes[i];
  }
  return true;
}

ValueId Graph::add_value(DType dtype, Geometry shape, int64_t length) {
  if (length < 0) length = shape.extent();
  values.push_back({dtype, length, std::move(shape), -1});
  return static_cast<ValueId>(values.size() - 1);
}

ValueId Graph::add_input(DType dtype, int64_t length) {
  ValueId id = add_value(dtype, Geometry::contiguous({length}), length);
  inputs.push_back(id);
  return id;
}

ValueId Graph::append(Node node, DType dtype, Geometry shape) {
  ValueId id = add_value(dtype, std::move(shape));
  node.results = {id};
  append(std::move(node));
  return id;
}

void Graph::append(Node node) {
  for (ValueId id : node.results) values[id].producer = static_cast<NodeId>(nodes.size());
  nodes.push_back(std::move(node));
}

DType dtype_of(const Graph& graph, const Operand& operand) {
  if (auto* access = std::get_if<Access>(&operand)) return graph.value(access->value).dtype;
  return std::get<Scalar>(operand).dtype;
}

}  // namespace braze
