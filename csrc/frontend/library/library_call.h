// Calls of PyTorch's private operators on packed weights, by name: which of them exist depends on how it was built.
#pragma once

#include <ATen/core/ivalue.h>

#include <string>
#include <vector>

#include "graph/graph.h"

namespace braze {

bool library_has(const std::string& op);
/// Runs an operator on `stack`, which then holds its results.
void call_library(const std::string& op, std::vector<c10::IValue>& stack, const std::string& overload = "");

/// Takes an operand that no argument names any more out of a node.
void drop_operand(Node& node, int operand);

}  // namespace braze
