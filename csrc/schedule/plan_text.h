// A plan as text: for dumps, golden tests, and people.
//
//   plan arena=4096 owned=1
//     kernel 0: p0 f32, p1 f32 out ...            the kernels, as kernel text
//     output 0: f32[8,16:16,1]
//     run kernel 0 in0 arena+0  # aten::add.Tensor
//     call aten::mm(arena+0[8,8:8,1], in1[8,8:8,1]) into out0[8,8:8,1]
#pragma once

#include <string>

#include "schedule/plan.h"

namespace braze {

std::string print(const BufferRef& place);
std::string print(const Plan& plan);

}  // namespace braze
