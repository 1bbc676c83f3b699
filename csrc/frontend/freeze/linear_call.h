// A call of aten::addmm or aten::mm that is a linear layer: x [M, K] times weight [K, N], plus a bias for each column.
#pragma once

#include <optional>

#include "graph/graph.h"

namespace braze {

struct LinearCall {
  Access x, weight;
  std::optional<Access> bias;
  int64_t rows = 0, inner = 0, columns = 0;
  DType dtype = DType::f32;
};

std::optional<LinearCall> read_linear(const Graph& graph, const Node& node);

}  // namespace braze
