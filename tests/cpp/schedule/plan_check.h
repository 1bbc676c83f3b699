// Running a random program as a graph and as a plan, and comparing what they leave.
#pragma once

#include "backends/reference/run_plan.h"
#include "schedule/random_graph.h"

namespace braze {

/// Requires that the plan of `program` leaves what its graph says: the same bytes, or floats within `tolerance` of it.
/// `fills`: library calls put their results into planned memory.
void check_plan(const RandomProgram& program, bool fills, double tolerance, const KernelFunction& run_kernel = {});

}  // namespace braze
