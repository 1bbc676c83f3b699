// A convolution whose weight is frozen becomes oneDNN's, which takes a packed weight; oneDNN's convolutions get what
// follows them as their epilogue: the addition of a residual, then an activation. Where the dtype is a half such a sum
// is rounded once less than in eager, which only frozen weights allow.
#include <optional>
#include <utility>

#include "graph/geometry.h"
#include "passes/constant_values.h"
#include "passes/fused_convolution.h"
#include "passes/pass.h"
#include "passes/readers.h"

namespace braze {
namespace {

/// What is computed with a convolution, and which node's place it takes.
struct Fused {
  FusedConvolution call;
  NodeId last = -1;
};

class Fuser {
 public:
  explicit Fuser(Graph& graph)
      : graph_(graph), constant_(constant_values(graph)), readers_(graph), gone_(graph.nodes.size(), 0) {}

  bool run() {
    std::vector<std::optional<Fused>> at(graph_.nodes.size());
    bool changed = false;
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      auto begun = begin(graph_.nodes[n]);
      if (!begun) continue;
      Fused fused = with_epilogue(std::move(*begun), static_cast<NodeId>(n));
      gone_[n] = 1;
      at[fused.last] = std::move(fused);
      changed = true;
    }
    if (!changed) return false;
    std::vector<Node> nodes = std::exchange(graph_.nodes, {});
    for (size_t n = 0; n < nodes.size(); ++n) {
      if (at[n])
        graph_.append(write_fused_convolution(at[n]->call, nodes[n].results[0]));
      else if (!gone_[n])
        graph_.append(std::move(nodes[n]));
    }
    return true;
  }

 private:
  /// A convolution that becomes oneDNN's, or one that is already and has no epilogue yet.
  std::optional<FusedConvolution> begin(const Node& node) const {
    if (is_fused_convolution(node)) {
      const bool has_weight = std::holds_alternative<TensorArg>(node.call.args[weight_argument(node)]);
      if (!has_weight || node.call.overload == "binary") return {};
      FusedConvolution fused = read_fused_convolution(node);
      return fused.activation == "none" ? std::optional(fused) : std::nullopt;
    }
    auto conv = read_convolution(node);
    if (!conv || !is_for_onednn(graph_, *conv) || !constant_[conv->weight.value]) return {};
    if (conv->bias && !constant_[conv->bias->value]) return {};
    return FusedConvolution{.conv = *conv, .residual = {}, .activation = "none", .scalars = {}};
  }

  Fused with_epilogue(FusedConvolution begun, NodeId place) {
    Fused fused{.call = std::move(begun), .last = place};
    const ConvolutionCall& conv = fused.call.conv;
    ValueId result = conv.result;
    if (NodeId next = follower(result); next >= 0 && conv.groups == 1 && may_round_once(conv))
      if (auto residual = added(graph_.nodes[next], result)) {
        fused.call.residual = residual;
        result = take(fused, next);
      }
    if (NodeId next = follower(result); next >= 0) {
      const Node& node = graph_.nodes[next];
      const auto name = activation_of(node.call.op);
      const bool fits = !fused.call.residual || name == "relu";  // oneDNN has no other after a sum
      if (!name.empty() && fits && node.operands.size() == 1) {
        fused.call.activation = name;
        for (size_t a = 1; a < node.call.args.size(); ++a) fused.call.scalars.push_back(number(node.call.args[a]));
        take(fused, next);
      }
    }
    return fused;
  }

  bool may_round_once(const ConvolutionCall& conv) const {
    return constant_[conv.weight.value] || graph_.value(conv.result).dtype == DType::f32;
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

  static double number(const ExternArg& arg) {
    if (auto* integer = std::get_if<int64_t>(&arg)) return static_cast<double>(*integer);
    auto* real = std::get_if<double>(&arg);
    return real ? *real : 0;
  }

  Graph& graph_;
  std::vector<char> constant_;
  Readers readers_;
  std::vector<char> gone_;  // by node: computed elsewhere
};

}  // namespace

bool fuse_convolutions(Graph& graph) { return Fuser(graph).run(); }

}  // namespace braze
