// The lowerings aten.def names, and how to find one.
#pragma once

#include <string_view>

#include "passes/decompose/lowering.h"

namespace braze {

#define ATEN(op, lowering) void lower_##lowering(Lowering& l);
#include "passes/decompose/aten.def"
#undef ATEN

using LoweringFunction = void (*)(Lowering&);

/// The lowering of an ATen operator's base name ("add"), or null.
LoweringFunction find_lowering(std::string_view name);

/// Whether a node is a call of an operator that has one and writes none of its operands.
bool becomes_primitives(const Node& node);

}  // namespace braze
