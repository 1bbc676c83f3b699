// What a step of a plan has to move and to compute at least: what its time is held against.
#pragma once

#include "schedule/plan.h"

namespace braze {

struct Work {
  double bytes = 0;  // each buffer's elements that are read or written, once
  double flops = 0;  // arithmetic on floating numbers; 0 where nobody knows
};

/// Nothing for kernels whose sizes come with the launch.
Work work_of(const Plan& plan, const Step& step);

}  // namespace braze
