// The laws of a graph, checked. The list of laws is in graph.h; verify.cpp has one function each.
#pragma once

#include "graph/graph.h"

namespace braze {

/// Raises an Internal error that names the broken law and the node, with the graph as text. Safe on any graph, however
/// broken.
void verify(const Graph& graph);

}  // namespace braze
