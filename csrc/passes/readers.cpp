#include "passes/readers.h"

#include "graph/geometry.h"

namespace braze {

Readers::Readers(const Graph& graph) : nodes(graph.values.size()), visible(graph.values.size(), 0) {
  for (size_t n = 0; n < graph.nodes.size(); ++n)
    for (const Operand& operand : graph.nodes[n].operands)
      if (auto* access = std::get_if<Access>(&operand)) nodes[access->value].push_back(static_cast<NodeId>(n));
  for (ValueId id : graph.outputs) visible[id] = 1;
  for (const Mutation& m : graph.mutations) visible[m.value] = 1;
}

NodeId Readers::only_reader(const Graph& graph, ValueId value) const {
  if (visible[value] || nodes[value].size() != 1) return -1;
  const NodeId reader = nodes[value][0];
  for (const Operand& operand : graph.nodes[reader].operands)
    if (auto* access = std::get_if<Access>(&operand); access && access->value == value)
      return squeezed(access->geometry) == squeezed(graph.value(value).shape) ? reader : -1;
  return -1;
}

}  // namespace braze
