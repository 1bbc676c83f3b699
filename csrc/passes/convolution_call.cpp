#include "passes/convolution_call.h"

namespace braze {
namespace {

const Access* memory(const Node& node, size_t argument) {
  auto* tensor = std::get_if<TensorArg>(&node.call.args[argument]);
  return tensor && tensor->operand >= 0 ? std::get_if<Access>(&node.operands[tensor->operand]) : nullptr;
}

bool is_absent(const ExternArg& argument) {
  auto* tensor = std::get_if<TensorArg>(&argument);
  return std::holds_alternative<NoneArg>(argument) || (tensor && tensor->operand < 0);
}

}  // namespace

std::optional<ConvolutionCall> read_convolution(const Node& node) {
  const auto& args = node.call.args;
  if (node.op != Op::extern_ || node.call.op != "aten::convolution" || args.size() != 9 || node.results.size() != 1 ||
      !node.call.mutates.empty())
    return std::nullopt;
  const Access *input = memory(node, 0), *weight = memory(node, 1), *bias = memory(node, 2);
  if (!input || !weight || (!bias && !is_absent(args[2]))) return std::nullopt;
  ConvolutionCall call;
  call.input = *input;
  call.weight = *weight;
  if (bias) call.bias = *bias;
  call.result = node.results[0];
  for (auto [argument, list] : {std::pair{3, &call.stride}, {4, &call.padding}, {5, &call.dilation}}) {
    auto* numbers = std::get_if<std::vector<int64_t>>(&args[argument]);
    if (!numbers) return std::nullopt;
    *list = *numbers;
  }
  auto* transposed = std::get_if<bool>(&args[6]);
  auto* groups = std::get_if<int64_t>(&args[8]);
  if (!transposed || !groups) return std::nullopt;
  call.transposed = *transposed;
  call.groups = *groups;
  return call;
}

}  // namespace braze
