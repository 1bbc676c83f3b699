#include "frontend/freeze/freezing.h"
#include "frontend/freeze/library_call.h"

namespace braze {

void pack_convolutions(Freezing& freezing) {
  Graph& graph = freezing.program.graph;
  for (Node& node : graph.nodes) {
    if (node.op != Op::extern_ || node.call.op != "mkldnn::_convolution_pointwise") continue;
    // (X, [other,] W, B, padding, stride, dilation, groups, ...)
    const size_t w = node.call.overload == "binary" ? 2 : 1;
    auto* weight = std::get_if<TensorArg>(&node.call.args[w]);
    if (!weight) continue;
    const Access access = std::get<Access>(node.operands[weight->operand]);
    if (!freezing.is_at_hand(access)) continue;
    auto list = [&](size_t i) { return std::get<std::vector<int64_t>>(node.call.args[w + i]); };
    const at::Tensor plain = freezing.numbers(access).contiguous();
    std::vector<c10::IValue> packed = {plain,
                                       list(2),
                                       list(3),
                                       list(4),
                                       std::get<int64_t>(node.call.args[w + 5]),
                                       std::get<Access>(node.operands[0]).geometry.sizes};
    call_library("mkldnn::_reorder_convolution_weight", packed);
    const int operand = weight->operand;
    node.call.args[w] = freezing.add_packed(packed[0].toTensor(), static_cast<int64_t>(plain.nbytes()));
    drop_operand(node, operand);
    ++freezing.record.convolutions;
  }
}

}  // namespace braze
