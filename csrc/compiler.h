// The compiler: graph in, plan and native code out. See compiler.cpp for the pipeline.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "passes/pass.h"
#include "schedule/plan.h"

namespace braze {

/// What one compilation cost, for explain and the log.
struct CompileRecord {
  std::vector<PassRecord> passes;
  double schedule_ms = 0, codegen_ms = 0, load_ms = 0;
  int kernels_compiled = 0, kernels_from_memory = 0, kernels_from_disk = 0;
};

}  // namespace braze
