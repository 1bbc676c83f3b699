// Which nodes do more than compute their results: calls that draw random numbers, check something, tell a size that
// depends on values, or that we know nothing about.
#pragma once

#include <string_view>

#include "graph/graph.h"

namespace braze {

bool has_effects(const Node& node);

/// Whether values decide the size of what the operator gives. A replay that meets another size is none, whether or not
/// anything reads the result: Python may have asked for its size.
bool is_sized_by_values(std::string_view op);

}  // namespace braze
