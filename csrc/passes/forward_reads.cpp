// Reads go to where the numbers were made. An update that covers its whole buffer is a copy; a read of a copy reads the
// original; a read of an updated buffer that lies inside the region reads what was written, and one that lies outside
// reads the older version. In-place operators (x.add_(1)) and clones leave nothing behind but what somebody outside can
// see.
#include <algorithm>
#include <optional>

#include "graph/geometry.h"
#include "passes/pass.h"

namespace braze {
namespace {

class Forwarder {
 public:
  explicit Forwarder(Graph& graph) : graph_(graph), uses_(graph.values.size(), 0), visible_(graph.values.size(), 0) {
    for (const Node& node : graph.nodes)
      for (const Operand& operand : node.operands)
        if (auto* access = std::get_if<Access>(&operand)) ++uses_[access->value];
    for (ValueId id : graph.outputs) ++visible_[id];
    for (const Mutation& m : graph.mutations) ++visible_[m.value];
    stand_in_.resize(graph.values.size());
    for (size_t i = 0; i < stand_in_.size(); ++i) stand_in_[i] = static_cast<ValueId>(i);
  }

  bool run() {
    for (Node& node : graph_.nodes) {
      for (size_t i = 0; i < node.operands.size(); ++i) forward(node, i);
      cover(node);
      alias(node);
    }
    for (ValueId& id : graph_.outputs) id = outside(id);
    for (Mutation& m : graph_.mutations) m.value = outside(m.value);
    return changed_;
  }

 private:
  static bool is_copy(const Graph& graph, const Node& node) {
    return node.op == Op::cast_ && dtype_of(graph, node.operands[0]) == graph.value(node.results[0]).dtype;
  }

  bool is_mutated(const Node& node, size_t operand) const {
    if (node.op == Op::update_) return operand == 0;
    return std::any_of(node.call.mutates.begin(), node.call.mutates.end(),
                       [&](const auto& m) { return m.first == static_cast<int>(operand); });
  }

  static bool takes_numbers(const Node& node, size_t operand) {
    const OpClass cls = info(node.op).cls;
    return cls == OpClass::Elementwise || ((cls == OpClass::Gather || node.op == Op::update_) && operand > 0);
  }

  void forward(Node& node, size_t i) {
    auto* access = std::get_if<Access>(&node.operands[i]);
    if (!access) return;
    const bool mutated = is_mutated(node, i);
    const ValueId original = stand_in_[access->value];
    if (original != access->value && (!mutated || is_private(original))) {
      replace(node, i, Access{original, access->geometry});
      access = std::get_if<Access>(&node.operands[i]);
    }
    if (node.op == Op::update_ && i == 0)
      node.operands[0] = graph_.whole(access->value);  // cover may have changed its shape
    if (is_recurrence(node.op)) return;                // its operands lie as its form wants them
    if (mutated || node.op == Op::extern_) return;     // an extern call keeps the memory layout eager gave it
    while (auto next = step(node.operands[i])) {
      if (std::holds_alternative<Scalar>(*next) && !takes_numbers(node, i)) return;
      if (node.op == Op::gather_ && i == 0) return;  // its window also stands for the indexed dims
      replace(node, i, *next);
    }
  }

  /// True when only the copy reads this value, so that writing over it costs nobody anything.
  bool is_private(ValueId id) const { return graph_.value(id).producer >= 0 && uses_[id] <= 1 && visible_[id] == 0; }

  void replace(Node& node, size_t i, Operand operand) {
    if (auto* old = std::get_if<Access>(&node.operands[i])) --uses_[old->value];
    if (auto* access = std::get_if<Access>(&operand)) ++uses_[access->value];
    node.operands[i] = std::move(operand);
    changed_ = true;
  }

  /// One step closer to where an operand's elements were made.
  std::optional<Operand> step(const Operand& operand) const {
    auto* access = std::get_if<Access>(&operand);
    if (!access) return std::nullopt;
    const Value& value = graph_.value(access->value);
    if (value.producer < 0) return std::nullopt;
    const Node& maker = graph_.nodes[value.producer];
    if (is_copy(graph_, maker)) return seen(access->geometry, value.shape, maker.operands[0]);
    if (maker.op != Op::update_) return std::nullopt;
    if (auto inside = seen(access->geometry, maker.region, maker.operands[1])) return inside;
    if (are_disjoint(access->geometry, maker.region))
      return Access{std::get<Access>(maker.operands[0]).value, access->geometry};
    return std::nullopt;
  }

  static std::optional<Operand> seen(const Geometry& window, const Geometry& region, const Operand& source) {
    auto* access = std::get_if<Access>(&source);
    auto geometry = look_through(window, region, access ? access->geometry : region);
    if (!geometry) return std::nullopt;
    if (!access) return source;
    return Access{access->value, *geometry};
  }

  /// An update of everything is a copy in the region's layout.
  void cover(Node& node) {
    if (node.op != Op::update_) return;
    Value& value = graph_.values[node.results[0]];
    if (!node.region.is_dense() || node.region.numel() != value.length || value.length == 0) return;
    value.shape = node.region;
    --uses_[std::get<Access>(node.operands[0]).value];
    node.operands.erase(node.operands.begin());
    node.op = Op::cast_;
    node.region = {};
    changed_ = true;
  }

  /// A copy of a whole buffer in its own layout needs no buffer, nor does a version in which nothing changed.
  void alias(const Node& node) {
    if (node.op == Op::update_ && node.region.numel() == 0)
      stand_in_[node.results[0]] = std::get<Access>(node.operands[0]).value;
    if (!is_copy(graph_, node)) return;
    auto* access = std::get_if<Access>(&node.operands[0]);
    if (!access) return;
    const Value& copy = graph_.value(node.results[0]);
    const Value& original = graph_.value(access->value);
    if (copy.length != original.length || access->geometry.numel() != original.length || !access->geometry.is_dense())
      return;
    if (squeezed(access->geometry) != squeezed(copy.shape)) return;
    stand_in_[node.results[0]] = access->value;
  }

  /// What the caller sees keeps a buffer of its own, unless the original is nobody else's.
  ValueId outside(ValueId id) {
    const ValueId original = stand_in_[id];
    if (original == id || graph_.value(original).producer < 0 || visible_[original] > 0 || visible_[id] > 1) return id;
    visible_[original] = 1;
    changed_ = true;
    return original;
  }

  Graph& graph_;
  std::vector<int> uses_, visible_;
  std::vector<ValueId> stand_in_;  // for a copy: the value it is a copy of
  bool changed_ = false;
};

}  // namespace

bool forward_reads(Graph& graph) { return Forwarder(graph).run(); }

}  // namespace braze
