// Which nodes do more than compute their results: calls that draw random numbers, check something, or that we know
// nothing about.
#pragma once

#include "graph/graph.h"

namespace braze {

bool has_effects(const Node& node);

}  // namespace braze
