#include "passes/split_constants.h"

#include <algorithm>
#include <utility>

#include "passes/constant_values.h"
#include "passes/pass.h"

namespace braze {
namespace {

/// Nodes that read no memory, such as an index, are in both parts where both need them.
bool reads_no_memory(const Node& node) {
  return node.op != Op::extern_ && std::none_of(node.operands.begin(), node.operands.end(), [](const Operand& operand) {
           return std::holds_alternative<Access>(operand);
         });
}

/// Values that the rest of the program needs of the constant part.
std::vector<ValueId> boundary_of(const Graph& graph, const std::vector<char>& constant) {
  std::vector<char> needed(graph.values.size(), 0);
  for (const Node& node : graph.nodes) {
    if (!node.results.empty() && constant[node.results[0]]) continue;
    for (const Operand& operand : node.operands)
      if (auto* access = std::get_if<Access>(&operand)) needed[access->value] = 1;
  }
  for (ValueId id : graph.outputs) needed[id] = 1;
  for (const Mutation& m : graph.mutations) needed[m.value] = 1;
  std::vector<ValueId> boundary;
  for (ValueId id = 0; id < static_cast<ValueId>(needed.size()); ++id)
    if (needed[id] && constant[id] && graph.value(id).producer >= 0) boundary.push_back(id);
  return boundary;
}

}  // namespace

ConstantPart split_constants(Graph& graph) {
  ConstantPart part;
  const std::vector<char> constant = constant_values(graph);
  const std::vector<ValueId> boundary = boundary_of(graph, constant);
  if (boundary.empty()) return part;

  std::vector<Node> nodes = std::exchange(graph.nodes, {});
  part.graph.values = graph.values;
  part.graph.outputs = boundary;
  std::vector<char> read(graph.values.size(), 0);
  for (Node& node : nodes) {
    const bool is_constant = !node.results.empty() && constant[node.results[0]];
    if (is_constant || reads_no_memory(node)) part.graph.append(node);
    if (!is_constant) {
      graph.append(std::move(node));
      continue;
    }
    for (const Operand& operand : node.operands)
      if (auto* access = std::get_if<Access>(&operand)) read[access->value] = 1;
  }
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    if (!read[graph.inputs[i]]) continue;
    part.inputs.push_back(static_cast<int>(i));
    part.graph.inputs.push_back(graph.inputs[i]);
  }
  for (ValueId id : boundary) {
    Value& value = graph.values[id];
    value.shape = Geometry::contiguous({value.length});
    value.producer = -1;
    value.frozen = true;
    graph.inputs.push_back(id);
  }
  dce(part.graph);
  dce(graph);
  return part;
}

}  // namespace braze
