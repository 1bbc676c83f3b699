// Whether two fusion groups may be one kernel, and making them one.
#pragma once

#include "schedule/group_table.h"

namespace braze {

constexpr size_t kMostMembers = 160;

/// Joins group `p` to group `c`, which reads what `p` makes, when all this holds: the dims align at every value read,
/// nothing outside lies between the two, nothing costly is computed more often, and the kernel stays small. True when
/// it did.
bool join(GroupTable& table, int p, int c);

}  // namespace braze
