// A convolution whose weight is frozen becomes oneDNN's, which takes a packed weight, with what follows it as its
// epilogue: the addition of a residual, then an activation. The sum is rounded once less than in eager where the dtype
// is a half.
#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include "graph/geometry.h"
#include "passes/constant_values.h"
#include "passes/convolution_call.h"
#include "passes/pass.h"
#include "passes/readers.h"

namespace braze {
namespace {

struct Activation {
  std::string_view op, attribute;
};
constexpr Activation kActivations[] = {{"aten::relu", "relu"},
                                       {"aten::hardswish", "hardswish"},
                                       {"aten::hardsigmoid", "hardsigmoid"},
                                       {"aten::silu", "swish"},
                                       {"aten::sigmoid", "sigmoid"},
                                       {"aten::hardtanh", "hardtanh"},
                                       {"aten::leaky_relu", "leaky_relu"}};

/// What is computed with a convolution, and which node's place it takes.
struct Fused {
  ConvolutionCall conv;
  NodeId last = -1;
  std::string attribute = "none";
  std::vector<double> scalars;
  std::optional<Access> residual;
};

class Fuser {
 public:
  explicit Fuser(Graph& graph)
      : graph_(graph), constant_(constant_values(graph)), readers_(graph), gone_(graph.nodes.size(), 0) {}

  bool run() {
    std::vector<std::optional<Fused>> at(graph_.nodes.size());
    bool changed = false;
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      auto conv = read_convolution(graph_.nodes[n]);
      if (!conv || !is_suited(*conv)) continue;
      Fused fused = with_epilogue(*conv, static_cast<NodeId>(n));
      gone_[n] = 1;
      at[fused.last] = std::move(fused);
      changed = true;
    }
    if (!changed) return false;
    std::vector<Node> nodes = std::exchange(graph_.nodes, {});
    for (size_t n = 0; n < nodes.size(); ++n) {
      if (at[n])
        append(*at[n], nodes[n]);
      else if (!gone_[n])
        graph_.append(std::move(nodes[n]));
    }
    return true;
  }

 private:
  bool is_suited(const ConvolutionCall& conv) const {
    const Value& made = graph_.value(conv.result);
    if (conv.transposed || !constant_[conv.weight.value] || (conv.bias && !constant_[conv.bias->value])) return false;
    if (made.dtype != DType::f32 && made.dtype != DType::bf16) return false;
    if (graph_.value(conv.weight.value).dtype != made.dtype || graph_.value(conv.input.value).dtype != made.dtype)
      return false;
    if (conv.bias && graph_.value(conv.bias->value).dtype != made.dtype) return false;
    return conv.input.geometry.sizes.size() == 4 && conv.weight.geometry.sizes.size() == 4 &&
           conv.stride.size() == 2 && conv.padding.size() == 2 && conv.dilation.size() == 2 &&
           conv.weight.geometry.numel() > 0 && made.shape.numel() > 0;
  }

  Fused with_epilogue(const ConvolutionCall& conv, NodeId place) {
    Fused fused{.conv = conv, .last = place};
    ValueId result = conv.result;
    if (NodeId next = follower(result); next >= 0 && conv.groups == 1)
      if (auto residual = added(graph_.nodes[next], result)) {
        fused.residual = residual;
        result = take(fused, next);
      }
    if (NodeId next = follower(result); next >= 0) {
      const Node& node = graph_.nodes[next];
      if (auto name = activation(node); !name.empty()) {
        fused.attribute = name;
        for (size_t a = 1; a < node.call.args.size(); ++a) fused.scalars.push_back(number(node.call.args[a]));
        take(fused, next);
      }
    }
    return fused;
  }

  /// The call that alone reads `value` and makes one of the same kind.
  NodeId follower(ValueId value) const {
    const NodeId n = readers_.only_reader(graph_, value);
    if (n < 0 || gone_[n]) return -1;
    const Node& node = graph_.nodes[n];
    if (node.op != Op::extern_ || node.results.size() != 1 || !node.call.mutates.empty()) return -1;
    const Value &from = graph_.value(value), &to = graph_.value(node.results[0]);
    return from.dtype == to.dtype && from.shape == to.shape ? n : -1;
  }

  ValueId take(Fused& fused, NodeId n) {
    gone_[n] = 1;
    fused.last = n;
    return graph_.nodes[n].results[0];
  }

  /// The other operand of an addition of two tensors of one shape.
  std::optional<Access> added(const Node& node, ValueId value) const {
    if (node.call.op != "aten::add" || node.call.overload != "Tensor" || node.call.args.size() != 3) return {};
    if (node.operands.size() != 2 || number(node.call.args[2]) != 1) return {};
    std::optional<Access> other;
    for (const Operand& operand : node.operands) {
      auto* access = std::get_if<Access>(&operand);
      if (!access || access->geometry.sizes != graph_.value(value).shape.sizes) return {};
      if (graph_.value(access->value).dtype != graph_.value(value).dtype) return {};
      if (access->value != value) other = *access;
    }
    return other && is_whole(*other) ? other : std::nullopt;
  }

  bool is_whole(const Access& access) const {
    return access.geometry.numel() == graph_.value(access.value).length && access.geometry.is_dense();
  }

  static std::string activation(const Node& node) {
    auto found = std::find_if(std::begin(kActivations), std::end(kActivations),
                              [&](const Activation& a) { return a.op == node.call.op; });
    if (found == std::end(kActivations) || node.operands.size() != 1) return {};
    return std::string(found->attribute);
  }

  static double number(const ExternArg& arg) {
    if (auto* integer = std::get_if<int64_t>(&arg)) return static_cast<double>(*integer);
    auto* real = std::get_if<double>(&arg);
    return real ? *real : 0;
  }

  void append(const Fused& fused, const Node& last) {
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
    if (fused.residual && fused.attribute == "none")
      args.push_back(NoneArg{});
    else
      args.push_back(fused.attribute);
    args.insert(args.end(), {fused.scalars, std::string()});
    node.call.returns = {0};
    node.results = {last.results[0]};
    node.origin = "aten::convolution";
    graph_.append(std::move(node));
  }

  Graph& graph_;
  std::vector<char> constant_;
  Readers readers_;
  std::vector<char> gone_;  // by node: computed elsewhere
};

}  // namespace

bool fuse_convolutions(Graph& graph) { return has_frozen_inputs(graph) && Fuser(graph).run(); }

}  // namespace braze
