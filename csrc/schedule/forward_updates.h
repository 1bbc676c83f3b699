// Updates that replace nothing, or everything by a value that already lies just so, need no buffer of their own.
#pragma once

#include "graph/graph.h"

namespace braze {

/// Makes readers of such an update read what it equals. True when the graph changed; the updates themselves stay,
/// unread.
bool forward_updates(Graph& graph);

}  // namespace braze
