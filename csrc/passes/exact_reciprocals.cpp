// x / 2^k -> x * 2^-k, which keeps every bit. A pass of its own, for a plan for many sizes must not depend on whether a
// size is a power of two.
#include <cmath>

#include "passes/pass.h"

namespace braze {
namespace {

bool has_exact_reciprocal(double number) {
  int exponent = 0;
  return std::isfinite(number) && std::abs(std::frexp(number, &exponent)) == 0.5 && std::abs(exponent) <= 100;
}

}  // namespace

bool exact_reciprocals(Graph& graph) {
  bool changed = false;
  for (Node& node : graph.nodes) {
    if (node.op != Op::div_) continue;
    const DType dtype = graph.value(node.results[0]).dtype;
    auto* divisor = std::get_if<Scalar>(&node.operands[1]);
    if (!is_floating(dtype) || !divisor || !has_exact_reciprocal(divisor->as_double())) continue;
    node.op = Op::mul_;
    node.operands[1] = Scalar::of_double(dtype, 1 / divisor->as_double());
    changed = true;
  }
  return changed;
}

}  // namespace braze
