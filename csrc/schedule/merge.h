// Making one fusion group of two whose dims are aligned.
#pragma once

#include "schedule/align.h"
#include "schedule/fusion_group.h"

namespace braze {

/// Moves the members of `producer` into `consumer`, all maps over one set of dims. False, and nothing but splits done,
/// when the two count argmin or argmax positions in different orders.
bool merge(FusionGroup& producer, FusionGroup& consumer, const Alignment& alignment);

}  // namespace braze
