// Each convolution of oneDNN's in the form that is fastest here: on its packed weight, as PyTorch's own, as a product
// of two matrices, or by kernels of ours.
#include <utility>

#include "frontend/freeze/freezing.h"
#include "frontend/library/convolution_trial.h"
#include "frontend/library/library_call.h"
#include "passes/convolution_forms.h"
#include "passes/decompose/aten.h"
#include "passes/own_convolution.h"

namespace braze {
namespace {

Geometry geometry_of(const at::Tensor& tensor) { return {0, tensor.sizes().vec(), tensor.strides().vec()}; }

void keep_packed(Freezing& freezing, Node node, const ConvolutionTrial& trial) {
  Graph& graph = freezing.program.graph;
  const size_t w = weight_argument(node);
  const int operand = std::get<TensorArg>(node.call.args[w]).operand;
  const Access& weight = std::get<Access>(node.operands[operand]);
  const int64_t bytes = weight.geometry.numel() * info(graph.value(weight.value).dtype).bytes;
  node.call.args[w] = freezing.add_packed(trial.pack(), bytes);
  drop_operand(node, operand);
  graph.append(std::move(node));
  ++freezing.record.convolutions;
}

OwnInput own_input(const Graph& graph, const FusedConvolution& fused) {
  const Access input = read_before_copy(graph, fused.conv.input);
  const NodeId producer = graph.value(input.value).producer;
  if (producer < 0) return {input.geometry};
  const Node& node = graph.nodes[producer];
  return {input.geometry, node.op == Op::extern_ && !becomes_primitives(node)};
}

}  // namespace

void choose_convolutions(Freezing& freezing) {
  Graph& graph = freezing.program.graph;
  std::vector<Node> nodes = std::exchange(graph.nodes, {});
  for (Node& node : nodes) {
    if (!is_fused_convolution(node) || !std::holds_alternative<TensorArg>(node.call.args[weight_argument(node)])) {
      graph.append(std::move(node));
      continue;
    }
    const FusedConvolution fused = read_fused_convolution(node);
    const ValueId result = node.results[0];
    std::optional<OwnInput> source;
    if (may_be_own(graph, fused)) source = own_input(graph, fused);
    const ConvolutionTrial trial(fused, graph.value(result).shape, freezing.numbers(fused.conv.weight), true,
                                 freezing.options, source);
    switch (trial.fastest()) {
      case ConvolutionForm::Fused: keep_packed(freezing, std::move(node), trial); break;
      case ConvolutionForm::Plain: {
        const at::Tensor weight = trial.channels_last();
        append_plain(graph, fused, {freezing.add_constant(weight), geometry_of(weight)}, result);
        break;
      }
      case ConvolutionForm::Product:
        append_product(graph, fused, result);
        ++freezing.record.products;
        break;
      case ConvolutionForm::Own: {
        const at::Tensor weight = trial.as_walked();
        append_own(graph, fused, {freezing.add_constant(weight), geometry_of(weight)}, result);
        ++freezing.record.own_convolutions;
        break;
      }
    }
  }
}

}  // namespace braze
