// Running a parametric plan beside the static plans of the same program.
#pragma once

#include "backends/reference/run_plan.h"
#include "schedule/parametric_plan.h"
#include "schedule/sized_graph.h"

namespace braze {

/// The static plan of a program at these sizes; library calls fill planned memory.
Plan plan_at(const SizedGraph& program, const std::vector<int64_t>& symbols);

/// The plan of the first two recordings, proved by the third. Requires that there is one.
ParametricPlan parametric_plan_of(const SizedGraph& program);

/// Requires that instances leave what static plans leave: the same numbers where the plans are alike, else floats
/// within a small tolerance.
void check_instances(const SizedGraph& program, const KernelFunction& run_kernel = {});

}  // namespace braze
