// Graph -> better graph. A pass is a function with one signature in a file of its name and a row in passes.def.
#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"

namespace braze {

#define PASS(name, help) bool name(Graph& graph);
#include "passes/passes.def"
#undef PASS

struct PassRecord {
  std::string name;
  double milliseconds = 0;
  bool changed = false;
  std::string graph_after;  // only when asked for
};

/// Runs passes.def in order, verifying after each that changed something. `disabled`: names to skip.
std::vector<PassRecord> run_passes(Graph& graph, const std::vector<std::string>& disabled = {}, bool keep_text = false);

}  // namespace braze
