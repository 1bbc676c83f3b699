// Which values are computed from frozen inputs alone, so that they are the same at every call.
#pragma once

#include <vector>

#include "graph/graph.h"

namespace braze {

/// By value. A number is no value, and a node that reads no memory (a fill, an index) makes none that counts: kernels
/// compute those in place.
std::vector<char> constant_values(const Graph& graph);

/// Whether any input is frozen: the passes that only weights call for have nothing to do without one.
bool has_frozen_inputs(const Graph& graph);

}  // namespace braze
