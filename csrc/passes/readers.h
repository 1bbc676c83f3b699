// Who reads each value, for passes that look from a producer to its consumers.
#pragma once

#include <vector>

#include "graph/graph.h"

namespace braze {

struct Readers {
  explicit Readers(const Graph& graph);

  /// The node that alone reads `value`, once, and all of it in its own shape; -1 when there is no such node or somebody
  /// outside sees the value.
  NodeId only_reader(const Graph& graph, ValueId value) const;
  bool is_visible(ValueId value) const { return visible[value]; }

  std::vector<std::vector<NodeId>> nodes;  // by value, one entry an operand
  std::vector<char> visible;               // by value: an output, or the new contents of an input
};

}  // namespace braze
