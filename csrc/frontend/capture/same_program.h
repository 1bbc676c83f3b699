// Whether two traced calls did the same: the confirm step.
#pragma once

#include "frontend/capture/functionalise.h"

namespace braze {

bool same_program(const CapturedProgram& a, const CapturedProgram& b);

}  // namespace braze
