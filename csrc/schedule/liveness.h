// Which members of the groups matter, and which values have to be in memory.
#pragma once

#include <vector>

#include "schedule/fusion_group.h"

namespace braze {

struct Liveness {
  std::vector<std::vector<char>> live;  // by group and member
  std::vector<char> in_memory;          // by value: something reads it from memory
};

/// `groups` are in running order. What nothing needs is not live; a library call always is.
Liveness find_live(const Graph& graph, const std::vector<FusionGroup>& groups);

}  // namespace braze
