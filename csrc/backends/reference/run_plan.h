// Runs a plan on plain memory with the kernel interpreter: the measure for the runtime, and how the scheduler is
// tested.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "schedule/plan.h"

namespace braze {

using Memory = std::vector<std::byte>;

/// Runs a library call: one pointer an operand and one a result of the step, each to the start of its buffer.
using CallFunction = std::function<void(const ExternStep& step, const std::vector<std::byte*>& operands,
                                        const std::vector<std::byte*>& results)>;

/// Runs `plan` on `inputs`, which it may write, and returns the outputs' memory. Memory nobody has written yet holds
/// garbage. Raises a User error when an index of a gather is out of range, and an Internal one at a library call when
/// there is no `call`.
std::vector<Memory> run_plan(const Plan& plan, std::vector<Memory>& inputs, const CallFunction& call = {});

}  // namespace braze
