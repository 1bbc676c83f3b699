#include "passes/fused_convolution.h"

namespace braze {
namespace {

struct Activation {
  std::string_view op, name;
};
constexpr Activation kActivations[] = {{"aten::relu", "relu"},
                                       {"aten::hardswish", "hardswish"},
                                       {"aten::hardsigmoid", "hardsigmoid"},
                                       {"aten::silu", "swish"},
                                       {"aten::sigmoid", "sigmoid"},
                                       {"aten::hardtanh", "hardtanh"},
                                       {"aten::leaky_relu", "leaky_relu"}};

const Access* memory(const Node& node, size_t argument) {
  auto* tensor = std::get_if<TensorArg>(&node.call.args[argument]);
  return tensor && tensor->operand >= 0 ? std::get_if<Access>(&node.operands[tensor->operand]) : nullptr;
}

}  // namespace

std::string activation_of(std::string_view op) {
  for (const Activation& a : kActivations)
    if (a.op == op) return std::string(a.name);
  return {};
}

std::string op_of_activation(std::string_view activation) {
  for (const Activation& a : kActivations)
    if (a.name == activation) return std::string(a.op);
  return {};
}

bool is_fused_convolution(const Node& node) {
  return node.op == Op::extern_ && node.call.op == "mkldnn::_convolution_pointwise";
}

bool is_for_onednn(const Graph& graph, const ConvolutionCall& conv) {
  const Value& made = graph.value(conv.result);
  if (conv.transposed || (made.dtype != DType::f32 && made.dtype != DType::bf16)) return false;
  for (ValueId id : {conv.weight.value, conv.input.value, conv.bias ? conv.bias->value : conv.input.value})
    if (graph.value(id).dtype != made.dtype) return false;
  return conv.input.geometry.sizes.size() == 4 && conv.weight.geometry.sizes.size() == 4 && conv.stride.size() == 2 &&
         conv.padding.size() == 2 && conv.dilation.size() == 2 && conv.weight.geometry.numel() > 0 &&
         made.shape.numel() > 0;
}

size_t weight_argument(const Node& node) { return node.call.overload == "binary" ? 2 : 1; }

FusedConvolution read_fused_convolution(const Node& node) {
  const auto& args = node.call.args;
  const size_t w = weight_argument(node);
  FusedConvolution fused;
  fused.conv.input = *memory(node, 0);
  fused.conv.weight = *memory(node, w);
  if (auto* bias = memory(node, w + 1)) fused.conv.bias = *bias;
  fused.conv.padding = std::get<std::vector<int64_t>>(args[w + 2]);
  fused.conv.stride = std::get<std::vector<int64_t>>(args[w + 3]);
  fused.conv.dilation = std::get<std::vector<int64_t>>(args[w + 4]);
  fused.conv.groups = std::get<int64_t>(args[w + 5]);
  fused.conv.result = node.results[0];
  if (w == 2) fused.residual = *memory(node, 1);
  if (auto* name = std::get_if<std::string>(&args[args.size() - 3])) fused.activation = *name;
  fused.scalars = std::get<std::vector<double>>(args[args.size() - 2]);
  return fused;
}

Node write_fused_convolution(const FusedConvolution& fused, ValueId result) {
  const ConvolutionCall& conv = fused.conv;
  Node node;
  node.op = Op::extern_;
  node.call.op = "mkldnn::_convolution_pointwise";
  auto& args = node.call.args;
  auto add = [&](const Access& access) {
    args.push_back(TensorArg{static_cast<int>(node.operands.size())});
    node.operands.emplace_back(access);
  };
  add(conv.input);
  if (fused.residual) add(*fused.residual);
  add(conv.weight);
  if (conv.bias)
    add(*conv.bias);
  else
    args.push_back(NoneArg{});
  args.insert(args.end(), {conv.padding, conv.stride, conv.dilation, conv.groups});
  if (fused.residual) {
    node.call.overload = "binary";
    args.insert(args.end(), {std::string("add"), int64_t{1}});
  }
  if (fused.residual && fused.activation == "none")
    args.push_back(NoneArg{});
  else
    args.push_back(fused.activation);
  args.insert(args.end(), {fused.scalars, std::string()});
  node.call.returns = {0};
  node.results = {result};
  node.origin = "aten::convolution";
  return node;
}

}  // namespace braze
