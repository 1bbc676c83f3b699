// A buffer filled with one number is read as that number, and a node over numbers alone becomes one. Bits are kept: the
// folding arithmetic is the reference meaning of the primitives.
#include <algorithm>
#include <optional>

#include "ops/evaluate.h"
#include "passes/pass.h"

namespace braze {
namespace {

bool is_fill(const Node& node) { return node.op == Op::cast_ && std::holds_alternative<Scalar>(node.operands[0]); }

/// Operands that have to be memory: reduced values, gathered tables, updated buffers, anything PyTorch reads.
bool needs_memory(const Node& node, size_t operand) {
  switch (info(node.op).cls) {
    case OpClass::Elementwise: return false;
    case OpClass::Gather:
    case OpClass::Memory: return operand == 0;
    default: return true;
  }
}

class Folder {
 public:
  explicit Folder(Graph& graph) : graph_(graph), number_(graph.values.size()) {}

  bool run() {
    for (Node& node : graph_.nodes) {
      read_numbers(node);
      compute(node);
      if (is_fill(node))
        number_[node.results[0]] = convert(std::get<Scalar>(node.operands[0]), graph_.value(node.results[0]).dtype);
    }
    return changed_;
  }

 private:
  void read_numbers(Node& node) {
    for (size_t i = 0; i < node.operands.size(); ++i) {
      auto* access = std::get_if<Access>(&node.operands[i]);
      if (!access || needs_memory(node, i) || !number_[access->value]) continue;
      node.operands[i] = Scalar(*number_[access->value]);
      changed_ = true;
    }
  }

  void compute(Node& node) {
    if (info(node.op).cls != OpClass::Elementwise || is_fill(node)) return;
    std::vector<Scalar> numbers;
    for (const Operand& operand : node.operands) {
      auto* scalar = std::get_if<Scalar>(&operand);
      if (!scalar) return;
      numbers.push_back(*scalar);
    }
    node.operands = {evaluate(node.op, graph_.value(node.results[0]).dtype, numbers)};
    node.op = Op::cast_;
    changed_ = true;
  }

  Graph& graph_;
  std::vector<std::optional<Scalar>> number_;
  bool changed_ = false;
};

}  // namespace

bool fold_constants(Graph& graph) { return Folder(graph).run(); }

}  // namespace braze
