// Runs a plan on plain memory with the kernel interpreter: the measure for the runtime, and how the scheduler is
// tested.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "backends/reference/interpret_graph.h"
#include "schedule/parametric_plan.h"

namespace braze {

/// Runs a library call: one pointer an operand and one a result of the step, each to the start of its buffer.
using CallFunction = std::function<void(const ExternStep& step, const std::vector<std::byte*>& operands,
                                        const std::vector<std::byte*>& results)>;

/// Runs points [begin, end) of a kernel; interpret_kernel is one. Behind the params of a parametric kernel stands the
/// pointer to its sizes.
using KernelFunction = std::function<int64_t(const Kernel& kernel, void* const* params, int64_t begin, int64_t end)>;

/// Runs `plan` on `inputs`, which it may write, and returns the outputs' memory. Memory nobody has written yet holds
/// garbage. Raises a User error when an index of a gather is out of range, and an Internal one at a library call when
/// there is no `call`. Without `run_kernel`, kernels are interpreted.
std::vector<Buffer> run_plan(const Plan& plan, std::vector<Buffer>& inputs, const CallFunction& call = {},
                             const KernelFunction& run_kernel = {});

/// The same for a parametric plan at given sizes.
std::vector<Buffer> run_plan(const PlanInstance& instance, std::vector<Buffer>& inputs, const CallFunction& call = {},
                             const KernelFunction& run_kernel = {});

}  // namespace braze
