// Equal nodes are computed once. Calls PyTorch runs are left alone (they may draw random numbers), and so are buffers
// that the caller gets: each output has memory of its own.
#include <algorithm>
#include <unordered_map>

#include "graph/print.h"
#include "passes/pass.h"

namespace braze {
namespace {

bool is_pure(const Node& node) {
  const OpClass cls = info(node.op).cls;
  return cls == OpClass::Elementwise || cls == OpClass::Index || cls == OpClass::Gather || cls == OpClass::Reduce;
}

/// Everything that decides a node's result, as text.
std::string key(const Graph& graph, const Node& node) {
  std::vector<std::string> operands;
  for (size_t i = 0; i < node.operands.size(); ++i) {
    operands.push_back(print(node.operands[i]));
    if (node.op == Op::gather_ && i > 0)
      operands.back() +=
          "*" + std::to_string(node.indexed[i - 1].size) + "*" + std::to_string(node.indexed[i - 1].stride);
  }
  if (info(node.op).has(Commutes) && operands.size() == 2) std::sort(operands.begin(), operands.end());
  const Value& value = graph.value(node.results[0]);
  std::string text(info(node.op).name);
  text += ' ';
  text += info(value.dtype).name;
  text += print(value.shape);
  for (const std::string& operand : operands) (text += ' ') += operand;
  for (int dim : node.reduce_dims) (text += " r") += std::to_string(dim);
  if (node.op == Op::index_) (text += " d") += std::to_string(node.dim);
  return text;
}

bool writes(const Node& node, size_t operand) {
  if (node.op == Op::update_) return operand == 0;
  return std::any_of(node.call.mutates.begin(), node.call.mutates.end(),
                     [&](const auto& m) { return m.first == static_cast<int>(operand); });
}

}  // namespace

bool cse(Graph& graph) {
  std::vector<ValueId> same_as(graph.values.size());
  for (size_t i = 0; i < same_as.size(); ++i) same_as[i] = static_cast<ValueId>(i);
  std::unordered_map<std::string, ValueId> first;
  bool changed = false;
  for (Node& node : graph.nodes) {
    for (size_t i = 0; i < node.operands.size(); ++i) {
      auto* access = std::get_if<Access>(&node.operands[i]);
      if (!access || same_as[access->value] == access->value || writes(node, i)) continue;
      access->value = same_as[access->value];
      changed = true;
    }
    if (!is_pure(node)) continue;
    auto [found, is_new] = first.try_emplace(key(graph, node), node.results[0]);
    if (!is_new) same_as[node.results[0]] = found->second;
  }
  return changed;
}

}  // namespace braze
