// One walk that redirects readers of updates which change nothing or everything.
#include "schedule/forward_updates.h"

#include <numeric>

namespace braze {
namespace {

/// The value whose buffer holds what the update's result would; the result itself when there is none.
ValueId equal_value(const Graph& graph, const Node& node) {
  const ValueId result = node.results[0];
  if (node.region.numel() == 0) return std::get<Access>(node.operands[0]).value;
  auto* written = std::get_if<Access>(&node.operands[1]);
  if (!written || written->geometry != node.region || !node.region.is_dense()) return result;
  const int64_t length = graph.value(result).length;
  return node.region.numel() == length && graph.value(written->value).length == length ? written->value : result;
}

}  // namespace

bool forward_updates(Graph& graph) {
  std::vector<ValueId> equal(graph.values.size());
  std::iota(equal.begin(), equal.end(), 0);
  bool changed = false;
  for (Node& node : graph.nodes) {
    for (Operand& operand : node.operands)
      if (auto* access = std::get_if<Access>(&operand)) access->value = equal[access->value];
    if (node.op != Op::update_) continue;
    const ValueId found = equal_value(graph, node);
    equal[node.results[0]] = found;
    changed = changed || found != node.results[0];
  }
  for (ValueId& id : graph.outputs) id = equal[id];
  for (Mutation& mutation : graph.mutations) mutation.value = equal[mutation.value];
  return changed;
}

}  // namespace braze
