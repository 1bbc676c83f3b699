// relu_ and its like on a whole buffer become relu: in a graph of single assignment both make a new value, and the
// passes that look for what follows a convolution then know one form only. The memory plan puts the new value where the
// old one was.
#include <algorithm>
#include <iterator>
#include <string_view>

#include "passes/constant_values.h"
#include "passes/pass.h"

namespace braze {
namespace {

constexpr std::string_view kTwins[] = {"aten::relu_",       "aten::relu6_", "aten::hardswish_", "aten::hardsigmoid_",
                                       "aten::hardtanh_",   "aten::silu_",  "aten::sigmoid_",   "aten::tanh_",
                                       "aten::leaky_relu_", "aten::add_",   "aten::mul_",       "aten::sub_",
                                       "aten::elu_"};

bool has_twin(const Graph& graph, const Node& node) {
  if (node.op != Op::extern_ || node.call.mutates != std::vector<std::pair<int, int>>{{0, 0}}) return false;
  if (node.results.size() != 1) return false;
  if (std::find(std::begin(kTwins), std::end(kTwins), node.call.op) == std::end(kTwins)) return false;
  const Access& written = std::get<Access>(node.operands[0]);
  const Value& old = graph.value(written.value);
  if (written.geometry != old.shape || !old.shape.is_dense() || old.length != old.shape.numel()) return false;
  return std::all_of(node.operands.begin(), node.operands.end(),
                     [&](const Operand& operand) { return dtype_of(graph, operand) == old.dtype; });
}

}  // namespace

bool drop_in_place(Graph& graph) {
  if (!has_frozen_inputs(graph)) return false;
  bool changed = false;
  for (Node& node : graph.nodes) {
    if (!has_twin(graph, node)) continue;
    node.call.op.pop_back();
    node.call.mutates.clear();
    node.call.returns = {0};
    changed = true;
  }
  return changed;
}

}  // namespace braze
