// When two graphs are the same program: equal but for the numbers of values and the origins of nodes.
#pragma once

#include "graph/graph.h"
#include "support/hash.h"

namespace braze {

Hash128 structural_hash(const Graph& graph);
bool structurally_equal(const Graph& a, const Graph& b);

}  // namespace braze
