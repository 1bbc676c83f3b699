// Takes what is computed from frozen inputs alone out of a graph, to be computed once.
#pragma once

#include <vector>

#include "graph/graph.h"

namespace braze {

struct ConstantPart {
  Graph graph;
  std::vector<int> inputs;  // by input of this graph: which input of the whole it is
};

/// The part's outputs, in their order, become frozen inputs at the end of the graph's own. The part has no outputs when
/// there is nothing to take.
ConstantPart split_constants(Graph& graph);

}  // namespace braze
