// Graphs of one program at any size, for testing what holds for many.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace braze {

struct SizedGraph {
  std::string name;
  std::function<std::string(const std::vector<int64_t>& symbols)> text;
  std::vector<std::vector<int64_t>> recorded;  // the symbols of three recordings, all different
  std::vector<std::vector<int64_t>> others;    // symbols it also holds for
};

const std::vector<SizedGraph>& sized_graphs();

/// The program at these sizes, lowered and optimised.
Graph graph_at(const SizedGraph& program, const std::vector<int64_t>& symbols);

}  // namespace braze
