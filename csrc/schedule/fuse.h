// Which nodes become one kernel: a greedy scan in node order, each node joining the groups that make what it reads.
#pragma once

#include <vector>

#include "schedule/fusion_group.h"

namespace braze {

/// Every node that makes something is in exactly one group (cheap ones may have copies in more). The groups are in an
/// order in which they can run; library calls keep their order. Work is linear in nodes, with bounds on what is looked
/// at for each.
std::vector<FusionGroup> fuse(const Graph& graph);

}  // namespace braze
