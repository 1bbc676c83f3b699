// The axes of a kernel: the group's dims in the order that suits memory, joined where every access allows it.
#pragma once

#include <vector>

#include "schedule/fusion_group.h"

namespace braze {

/// One access that the loops perform, with how much its order matters.
struct LoopAccess {
  std::vector<int64_t> strides;  // one a dim
  bool written = false;
  bool row = false;    // does not move along reduced dims, in a group that has some
  bool memory = true;  // false: a position, which only restricts joining
  int factor = -1;     // 0, 1: an operand of a dot; 0 to 2: queries, keys, values; 3: a mask
};

struct Axes {
  std::vector<int64_t> extents;  // parallel axes, then reduce axes
  int reduce_axes = 0;
  int vector_axis = -1;
  std::vector<std::vector<int>>
      dims;  // the dims each axis stands for, outermost first; it moves at the innermost one's stride
};

Axes choose_axes(const FusionGroup& group, std::vector<LoopAccess> accesses);

}  // namespace braze
