// The inverse of print: text to graph.
#pragma once

#include <string_view>

#include "graph/graph.h"

namespace braze {

/// Reads the text print(const Graph&) writes; lines may be indented, blank, or start with "//". Raises a User error
/// naming the line when the text is damaged. Whether the graph keeps its laws is for verify() to say.
Graph parse_graph(std::string_view text);

}  // namespace braze
