// Runs a graph on plain memory, one node after the other, element by element: slow and obviously right, the measure for
// passes and for the scheduler.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "graph/graph.h"

namespace braze {

using Buffer = std::vector<std::byte>;

struct GraphRun {
  std::vector<Buffer> outputs;    // one a graph output
  std::vector<Buffer> mutations;  // what each of graph.mutations leaves in its input
};

/// Runs an extern node: reads its operands' values in `buffers` and fills those of its results, which are zeroed memory
/// (for a mutated operand: a copy of the old version).
using ExternFunction = std::function<void(const Graph& graph, const Node& node, std::vector<Buffer>& buffers)>;

/// `inputs`: one buffer a graph input, of at least its length. Raises a User error when an index of a gather is out of
/// range, and an Internal one at an extern node when there is no `run_extern`.
GraphRun interpret_graph(const Graph& graph, const std::vector<Buffer>& inputs, const ExternFunction& run_extern = {});

}  // namespace braze
