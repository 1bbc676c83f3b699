// batch_norm(convolution(x, w, b)) with frozen w, b and running statistics is one convolution: the norm multiplies each
// channel by a number and adds another, and both go into the weight and the bias. The sums are those PyTorch's own
// fuse_conv_bn_eval makes.
#include <utility>

#include "graph/geometry.h"
#include "passes/constant_values.h"
#include "passes/convolution_call.h"
#include "passes/decompose/expr.h"
#include "passes/decompose/promotion.h"
#include "passes/pass.h"
#include "passes/readers.h"

namespace braze {
namespace {

/// aten::native_batch_norm(input, weight, bias, mean, variance, training, momentum, eps) that only infers.
struct BatchNorm {
  const Node* node = nullptr;
  double eps = 0;

  bool read(const Node& call) {
    if (call.op != Op::extern_ || call.call.op != "aten::native_batch_norm" || call.call.args.size() != 8) return false;
    auto* training = std::get_if<bool>(&call.call.args[5]);
    auto* epsilon = std::get_if<double>(&call.call.args[7]);
    if (!training || *training || !epsilon || !call.call.mutates.empty()) return false;
    node = &call;
    eps = *epsilon;
    return parameter(0) && parameter(3) && parameter(4) && result() >= 0;
  }

  const Access* parameter(size_t i) const {
    auto* tensor = std::get_if<TensorArg>(&node->call.args[i]);
    return tensor && tensor->operand >= 0 ? std::get_if<Access>(&node->operands[tensor->operand]) : nullptr;
  }

  ValueId result() const {
    const int first = node->call.returns.empty() ? -1 : node->call.returns[0];
    return first >= 0 ? node->results[first] : -1;
  }
};

class Folder {
 public:
  explicit Folder(Graph& graph)
      : graph_(graph), constant_(constant_values(graph)), readers_(graph), read_once_(graph.values.size()) {
    for (ValueId id = 0; id < static_cast<ValueId>(read_once_.size()); ++id)
      read_once_[id] = readers_.only_reader(graph, id) >= 0;
  }

  bool run() {
    calls_ = std::exchange(graph_.nodes, {});
    std::vector<NodeId> maker(graph_.values.size(), -1);
    for (size_t n = 0; n < calls_.size(); ++n)
      for (ValueId id : calls_[n].results) maker[id] = static_cast<NodeId>(n);
    bool changed = false;
    for (Node& node : calls_) {
      BatchNorm norm;
      std::optional<ConvolutionCall> conv;
      if (norm.read(node))
        if (NodeId n = maker[norm.parameter(0)->value]; n >= 0) conv = read_convolution(calls_[n]);
      if (conv && may_fold(*conv, norm) && fold(*conv, calls_[maker[conv->result]], norm))
        changed = true;  // the convolution before it is dead by now
      else
        graph_.append(node);
    }
    return changed;
  }

 private:
  bool may_fold(const ConvolutionCall& conv, const BatchNorm& norm) const {
    if (!read_once_[conv.result]) return false;
    const Value &made = graph_.value(conv.result), &normal = graph_.value(norm.result());
    if (made.dtype != normal.dtype || made.shape != normal.shape) return false;
    if (!is_floating(made.dtype) || info(made.dtype).kind == DTypeKind::Stored) return false;
    if (graph_.value(conv.weight.value).dtype != made.dtype) return false;
    if (conv.transposed && conv.groups != 1) return false;
    for (ValueId id : norm.node->results)
      if (id != norm.result() && (!readers_.nodes[id].empty() || readers_.is_visible(id))) return false;
    for (size_t i : {1, 2, 3, 4})
      if (auto* p = norm.parameter(i); p && (!constant_[p->value] || p->geometry.sizes.size() != 1)) return false;
    return constant_[conv.weight.value] && (!conv.bias || constant_[conv.bias->value]);
  }

  bool fold(const ConvolutionCall& conv, const Node& call, const BatchNorm& norm) {
    const size_t nodes = graph_.nodes.size(), values = graph_.values.size();
    Builder builder(graph_, norm.node->call.op);
    const DType dtype = graph_.value(conv.result).dtype, wide = opmath(dtype);
    auto parameter = [&](size_t i, double otherwise) {
      auto* access = norm.parameter(i);
      return access ? cast(wide, builder.wrap(*access)) : builder.number(wide, otherwise);
    };
    const Expr mean = parameter(3, 0);
    const Expr scale = parameter(1, 1) / apply(Op::sqrt_, parameter(4, 1) + norm.eps);
    const Expr bias = conv.bias ? cast(wide, builder.wrap(*conv.bias)) : builder.number(wide, 0);
    const Expr shift = cast(dtype, fma(bias - mean, scale, parameter(2, 0)));

    const Geometry& w = conv.weight.geometry;
    const size_t channel = conv.transposed ? 1 : 0;
    Geometry aligned = scale.geometry();
    for (size_t d = channel + 1; d < w.sizes.size(); ++d)
      aligned = unsqueezed(aligned, static_cast<int>(aligned.sizes.size()));
    builder.lay_out_like({0, w.sizes, w.strides});
    const Expr weight = cast(dtype, cast(wide, builder.wrap(conv.weight)) * scale.through(aligned));
    if (builder.refused()) {
      graph_.nodes.resize(nodes);
      graph_.values.resize(values);
      return false;
    }
    Node folded;
    folded.op = Op::extern_;
    folded.call = call.call;
    folded.call.args[0] = TensorArg{0};
    folded.call.args[1] = TensorArg{1};
    folded.call.args[2] = TensorArg{2};
    folded.operands = {conv.input, weight.operand(), shift.operand()};
    folded.results = {norm.result()};
    folded.origin = call.origin;
    graph_.append(std::move(folded));
    return true;
  }

  Graph& graph_;
  std::vector<char> constant_;
  Readers readers_;
  std::vector<char> read_once_;  // by value: whole, by one node
  std::vector<Node> calls_;
};

}  // namespace

bool fold_batch_norm(Graph& graph) { return has_frozen_inputs(graph) && Folder(graph).run(); }

}  // namespace braze
