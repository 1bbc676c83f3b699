#include "passes/decompose/aten.h"

#include <unordered_map>

namespace braze {

LoweringFunction find_lowering(std::string_view name) {
  static const std::unordered_map<std::string_view, LoweringFunction> table = {
#define ATEN(op, lowering) {#op, lower_##lowering},
#include "passes/decompose/aten.def"
#undef ATEN
  };
  auto found = table.find(name);
  return found == table.end() ? nullptr : found->second;
}

bool becomes_primitives(const Node& node) {
  constexpr std::string_view kNamespace = "aten::";
  return node.op == Op::extern_ && node.call.mutates.empty() && node.call.op.starts_with(kNamespace) &&
         find_lowering(std::string_view(node.call.op).substr(kNamespace.size())) != nullptr;
}

}  // namespace braze
