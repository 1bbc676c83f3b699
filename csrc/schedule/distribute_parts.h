// Elementwise work on a concatenation, done part by part: then each part is computed where it goes, and the
// concatenation itself is never written.
#pragma once

#include "graph/graph.h"

namespace braze {

/// Rewrites elementwise nodes that alone read a value put together from a few parts: one node a part, and the results
/// put together instead. So it moves on through chains; what else such a node alone reads is computed by parts with it.
/// True when the graph changed; what is no longer read is still there.
bool distribute_parts(Graph& graph);

}  // namespace braze
