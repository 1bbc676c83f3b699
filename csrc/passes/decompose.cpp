// Rewrites calls of ATen operators into primitives, one row of aten.def a family. A call without a row, or of a form
// its lowering refuses, stays an extern node: PyTorch runs it. Results keep the dtype and memory layout that were
// recorded, so nothing that reads them changes.
#include <algorithm>
#include <utility>

#include "passes/decompose/aten.h"
#include "passes/decompose/foreach.h"
#include "passes/pass.h"
#include "passes/readers.h"

namespace braze {
namespace {

/// Undoes what a refused lowering appended.
class Rollback {
 public:
  Rollback(Graph& graph, const Node& node)
      : graph_(graph), node_(node), nodes_(graph.nodes.size()), values_(graph.values.size()) {
    for (ValueId id : node.results) results_.push_back(graph.value(id));
  }
  void run() {
    graph_.nodes.resize(nodes_);
    graph_.values.resize(values_);
    for (size_t i = 0; i < results_.size(); ++i) graph_.values[node_.results[i]] = results_[i];
  }

 private:
  Graph& graph_;
  const Node& node_;
  size_t nodes_, values_;
  std::vector<Value> results_;
};

/// Appends the primitives of one call; what was appended before a refusal is left to undo.
bool lower_call(Graph& graph, const Node& node, const std::vector<char>& read) {
  Lowering lowering(graph, node, read);
  LoweringFunction function = lowering.refused() ? nullptr : find_lowering(lowering.name());
  if (!function) return false;
  if (!lowering.set_if_empty()) function(lowering);
  return lowering.finish();
}

bool lower(Graph& graph, const Node& node, const std::vector<char>& read) {
  if (!node.call.op.starts_with("aten::")) return false;
  for (ValueId id : node.results) graph.values[id].producer = -1;
  Rollback rollback(graph, node);
  const std::vector<Node> parts = split_foreach(node);
  const bool done = parts.empty() ? lower_call(graph, node, read)
                                  : std::all_of(parts.begin(), parts.end(),
                                                [&](const Node& part) { return lower_call(graph, part, read); });
  if (!done) rollback.run();
  return done;
}

/// By value. What a call writes in place counts: later reads see it through other values.
std::vector<char> read_values(const Graph& graph) {
  const Readers readers(graph);
  std::vector<char> read = readers.visible;
  for (size_t id = 0; id < read.size(); ++id) read[id] |= !readers.nodes[id].empty();
  for (const Node& node : graph.nodes)
    for (auto [operand, result] : node.call.mutates) read[node.results[result]] = 1;
  return read;
}

}  // namespace

bool decompose(Graph& graph) {
  const std::vector<char> read = read_values(graph);
  std::vector<Node> calls = std::exchange(graph.nodes, {});
  bool changed = false;
  for (Node& node : calls) {
    if (node.op == Op::extern_ && lower(graph, node, read))
      changed = true;
    else
      graph.append(std::move(node));
  }
  return changed;
}

}  // namespace braze
