// Whether two traced calls did the same: the confirm step.
#pragma once

#include "frontend/capture/functionalise.h"

namespace braze {

/// Two literals that are equal bit for bit, so that a NaN equals itself. Meta tensors have no bits.
bool same_contents(const at::Tensor& a, const at::Tensor& b);

bool same_program(const CapturedProgram& a, const CapturedProgram& b);

}  // namespace braze
