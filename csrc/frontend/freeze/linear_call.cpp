#include "frontend/freeze/linear_call.h"

namespace braze {
namespace {

bool is_one(const ExternArg& arg) {
  if (auto* integer = std::get_if<int64_t>(&arg)) return *integer == 1;
  auto* real = std::get_if<double>(&arg);
  return real && *real == 1;
}

const Access* memory(const Node& node, size_t argument) {
  auto* tensor = std::get_if<TensorArg>(&node.call.args[argument]);
  return tensor && tensor->operand >= 0 ? std::get_if<Access>(&node.operands[tensor->operand]) : nullptr;
}

}  // namespace

std::optional<LinearCall> read_linear(const Graph& graph, const Node& node) {
  if (node.op != Op::extern_ || !node.call.mutates.empty() || !node.call.overload.empty() || node.results.size() != 1)
    return std::nullopt;
  const bool adds = node.call.op == "aten::addmm";
  if (!adds && node.call.op != "aten::mm") return std::nullopt;
  if (node.call.args.size() != (adds ? 5 : 2)) return std::nullopt;
  if (adds && (!is_one(node.call.args[3]) || !is_one(node.call.args[4]))) return std::nullopt;
  const Access *bias = adds ? memory(node, 0) : nullptr, *x = memory(node, adds), *weight = memory(node, adds + 1);
  if (!x || !weight || (adds && !bias)) return std::nullopt;
  LinearCall call;
  call.x = *x;
  call.weight = *weight;
  call.dtype = graph.value(node.results[0]).dtype;
  call.rows = x->geometry.sizes[0];
  call.inner = x->geometry.sizes[1];
  call.columns = weight->geometry.sizes[1];
  if (bias) {
    const Geometry& g = bias->geometry;
    if (g.sizes != std::vector<int64_t>{call.columns} || (g.strides[0] != 1 && call.columns > 1)) return std::nullopt;
    call.bias = *bias;
  }
  if (call.rows * call.inner * call.columns == 0) return std::nullopt;
  return call;
}

}  // namespace braze
