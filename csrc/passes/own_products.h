// Products of matrices that kernels of ours compute, with what is done to each result, where they are faster than
// PyTorch's library.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace braze {

/// A call of aten::mm, aten::bmm or aten::addmm: left [batch, M, K] times right [batch, K, N], plus `added` [M, N].
struct ProductCall {
  Access left, right;
  std::optional<Access> added;
  DType dtype = DType::f32;  // of all of them
  bool is_followed = false;  // by arithmetic on each result, which a kernel does on the way

  int64_t batch() const { return left.geometry.sizes[0]; }
  int64_t rows() const { return left.geometry.sizes[1]; }
  int64_t depth() const { return left.geometry.sizes[2]; }
  int64_t columns() const { return right.geometry.sizes[2]; }
};

/// Nothing when the node is another call, or a product that no kernel computes.
std::optional<ProductCall> read_product(const Graph& graph, const Node& node);

/// Answers for each product of a graph whether a kernel of ours is faster than the library.
using PrefersOwn = std::function<std::vector<bool>(const std::vector<ProductCall>&)>;

/// Makes the calls that `prefers` chooses primitives. True when the graph changed.
bool own_products(Graph& graph, const PrefersOwn& prefers);

}  // namespace braze
