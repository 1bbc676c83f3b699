// Attention that a kernel of ours computes, where it is faster than PyTorch's.
#pragma once

#include <functional>
#include <optional>

#include "graph/graph.h"

namespace braze {

/// A call of aten::_scaled_dot_product_flash_attention_for_cpu: queries [batch, heads, rows, depth], keys [batch,
/// heads, keys, depth], values [batch, heads, keys, columns].
struct AttentionCall {
  Access query, key, value;
  std::optional<Access> mask;  // [batch, heads, rows, keys], added to the scores
  double scale = 1;
  bool causal = false;
  DType dtype = DType::f32;  // of queries, keys, values and the result
  DType mask_dtype = DType::f32;

  const std::vector<int64_t>& query_sizes() const { return query.geometry.sizes; }
  int64_t rows() const { return query.geometry.sizes[2]; }
  int64_t depth() const { return query.geometry.sizes[3]; }
  int64_t keys() const { return key.geometry.sizes[2]; }
  int64_t columns() const { return value.geometry.sizes[3]; }
};

/// Nothing when the node is another call, or attention that no kernel computes.
std::optional<AttentionCall> read_attention(const Graph& graph, const Node& node);

/// Answers whether a kernel of ours is faster than PyTorch's.
using PrefersOwnAttention = std::function<bool(const AttentionCall&)>;

/// Makes the calls that `prefers` chooses primitives. True when the graph changed.
bool own_attention(Graph& graph, const PrefersOwnAttention& prefers);

}  // namespace braze
