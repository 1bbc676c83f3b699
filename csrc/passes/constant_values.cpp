#include "passes/constant_values.h"

#include <algorithm>

#include "passes/effects.h"

namespace braze {
namespace {

bool reads_constants_only(const Node& node, const std::vector<char>& constant) {
  bool reads = false;
  for (const Operand& operand : node.operands) {
    auto* access = std::get_if<Access>(&operand);
    if (!access) continue;
    if (!constant[access->value]) return false;
    reads = true;
  }
  return reads;
}

}  // namespace

bool has_frozen_inputs(const Graph& graph) {
  return std::any_of(graph.inputs.begin(), graph.inputs.end(), [&](ValueId id) { return graph.value(id).frozen; });
}

std::vector<char> constant_values(const Graph& graph) {
  std::vector<char> constant(graph.values.size(), 0);
  for (ValueId id : graph.inputs) constant[id] = graph.value(id).frozen;
  for (const Node& node : graph.nodes) {
    if (!node.call.mutates.empty() || has_effects(node) || !reads_constants_only(node, constant)) continue;
    for (ValueId id : node.results) constant[id] = 1;
  }
  return constant;
}

}  // namespace braze
