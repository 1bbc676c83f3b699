#include "passes/convolution_forms.h"

#include <algorithm>
#include <utility>

#include "graph/geometry.h"

namespace braze {
namespace {

bool all_are(const std::vector<int64_t>& numbers, int64_t wanted) {
  return std::all_of(numbers.begin(), numbers.end(), [&](int64_t n) { return n == wanted; });
}

/// The rows of an image whose channels are innermost: [N*H*W, C].
std::optional<Geometry> as_rows(const Geometry& g) {
  if (!lies_channels_last(g)) return std::nullopt;
  return Geometry{g.offset, {g.sizes[0] * g.sizes[2] * g.sizes[3], g.sizes[1]}, {g.sizes[1], 1}};
}

Node call(std::string op, std::string overload, const std::vector<Access>& tensors) {
  Node node;
  node.op = Op::extern_;
  node.origin = op;
  node.call.op = std::move(op);
  node.call.overload = std::move(overload);
  node.call.returns = {0};
  for (const Access& access : tensors) {
    node.call.args.push_back(TensorArg{static_cast<int>(node.operands.size())});
    node.operands.emplace_back(access);
  }
  return node;
}

void add_bias(Node& node, const ConvolutionCall& conv) {
  if (!conv.bias) return node.call.args.push_back(NoneArg{});
  node.call.args.push_back(TensorArg{static_cast<int>(node.operands.size())});
  node.operands.emplace_back(*conv.bias);
}

/// The call gives a value of shape `made`, and the last step of the epilogue the one the graph knows.
void append_with_epilogue(Graph& graph, Node node, const FusedConvolution& fused, ValueId result,
                          const Geometry& made) {
  const Value wanted = graph.value(result);
  const bool is_last = !fused.residual && fused.activation == "none";
  const ValueId id = is_last ? result : graph.add_value(wanted.dtype, made);
  if (is_last) graph.values[id].shape = made;
  node.results = {id};
  graph.append(std::move(node));
  append_epilogue(graph, fused, {id, wanted.shape}, result);
}

}  // namespace

bool may_be_product(const FusedConvolution& fused) {
  const ConvolutionCall& conv = fused.conv;
  const auto& w = conv.weight.geometry.sizes;
  return w[2] == 1 && w[3] == 1 && conv.groups == 1 && all_are(conv.stride, 1) && all_are(conv.padding, 0) &&
         as_rows(conv.input.geometry).has_value();
}

void append_epilogue(Graph& graph, const FusedConvolution& fused, Access made, ValueId result) {
  const Value wanted = graph.value(result);
  const bool acts = fused.activation != "none";
  auto append = [&](Node step, bool is_last) {
    step.results = {is_last ? result : graph.add_value(wanted.dtype, wanted.shape)};
    made = {step.results[0], wanted.shape};
    graph.append(std::move(step));
  };
  if (fused.residual) {
    Node add = call("aten::add", "Tensor", {made, *fused.residual});
    add.call.args.push_back(int64_t{1});
    append(std::move(add), !acts);
  }
  if (!acts) return;
  Node activation = call(op_of_activation(fused.activation), "", {made});
  for (double number : fused.scalars) activation.call.args.push_back(number);
  append(std::move(activation), true);
}

void append_plain(Graph& graph, const FusedConvolution& fused, const Access& weight, ValueId result) {
  const ConvolutionCall& conv = fused.conv;
  Node node = call("aten::convolution", "", {conv.input, weight});
  add_bias(node, conv);
  node.call.args.insert(node.call.args.end(),
                        {conv.stride, conv.padding, conv.dilation, false, std::vector<int64_t>{0, 0}, conv.groups});
  append_with_epilogue(graph, std::move(node), fused, result, graph.value(result).shape);
}

void append_product(Graph& graph, const FusedConvolution& fused, ValueId result) {
  const ConvolutionCall& conv = fused.conv;
  const Geometry rows = *as_rows(conv.input.geometry);
  Access weight = conv.weight;
  weight.geometry.sizes = {weight.geometry.sizes[1], weight.geometry.sizes[0]};
  weight.geometry.strides = {weight.geometry.strides[1], weight.geometry.strides[0]};
  Node node;
  if (conv.bias) {
    node = call("aten::addmm", "", {*conv.bias, {conv.input.value, rows}, weight});
    node.call.args.insert(node.call.args.end(), {int64_t{1}, int64_t{1}});
  } else {
    node = call("aten::mm", "", {{conv.input.value, rows}, weight});
  }
  append_with_epilogue(graph, std::move(node), fused, result,
                       Geometry::contiguous({rows.sizes[0], weight.geometry.sizes[1]}));
}

}  // namespace braze
