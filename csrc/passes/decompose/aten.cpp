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

}  // namespace braze
