// Large reductions with few results become two: chunks first, then the chunks' results, so that there is work for many
// threads.
#pragma once

#include "graph/graph.h"

namespace braze {

/// The chunks depend on the sizes alone, so results do not depend on how many threads run. True when the graph changed.
bool split_reductions(Graph& graph);

}  // namespace braze
