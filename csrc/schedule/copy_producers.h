// Values that cost less to make again than to load: positions, constants, one cheap op on something small.
#pragma once

#include "schedule/group_table.h"

namespace braze {

/// Gives group `c` copies of such producers of what its newest node reads. The originals stay, and vanish if nobody
/// else needs them.
void copy_cheap_producers(GroupTable& table, int c);

}  // namespace braze
