// Drops what nobody reads, and numbers the values that are left anew. A write whose new version is unused is dead as
// well. Calls that draw random numbers stay, since eager would have moved the generator, and so do calls we know
// nothing about.
#include <algorithm>

#include "passes/effects.h"
#include "passes/pass.h"

namespace braze {
namespace {

/// Values in use get new numbers: inputs first, then results in order.
void renumber(Graph& graph) {
  std::vector<ValueId> number(graph.values.size(), -1);
  std::vector<Value> values;
  auto give = [&](ValueId& id, NodeId producer) {
    number[id] = static_cast<ValueId>(values.size());
    values.push_back(std::move(graph.values[id]));
    values.back().producer = producer;
    id = number[id];
  };
  for (ValueId& id : graph.inputs) give(id, -1);
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    for (Operand& operand : graph.nodes[n].operands)
      if (auto* access = std::get_if<Access>(&operand)) access->value = number[access->value];
    for (ValueId& id : graph.nodes[n].results) give(id, static_cast<NodeId>(n));
  }
  for (ValueId& id : graph.outputs) id = number[id];
  for (Mutation& m : graph.mutations) m.value = number[m.value];
  graph.values = std::move(values);
}

}  // namespace

bool dce(Graph& graph) {
  std::vector<bool> used(graph.values.size(), false);
  for (ValueId id : graph.outputs) used[id] = true;
  for (const Mutation& m : graph.mutations) used[m.value] = true;
  std::vector<bool> kept(graph.nodes.size(), false);
  for (size_t n = graph.nodes.size(); n-- > 0;) {
    const Node& node = graph.nodes[n];
    kept[n] = has_effects(node) ||
              std::any_of(node.results.begin(), node.results.end(), [&](ValueId id) { return used[id]; });
    if (!kept[n]) continue;
    for (const Operand& operand : node.operands)
      if (auto* access = std::get_if<Access>(&operand)) used[access->value] = true;
  }
  const size_t values = graph.values.size();
  size_t n = 0;
  const auto dropped = std::erase_if(graph.nodes, [&](const Node&) { return !kept[n++]; });
  renumber(graph);
  return dropped > 0 || graph.values.size() != values;
}

}  // namespace braze
