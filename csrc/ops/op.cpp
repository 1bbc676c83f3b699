#include "ops/op.h"

#include <array>

namespace braze {
namespace {

constexpr std::array kInfo = {
#define OP(name, arity, cls, properties) OpInfo{#name, arity, OpClass::cls, static_cast<uint8_t>(properties)},
#include "ops/ops.def"
#undef OP
};

}  // namespace

const OpInfo& info(Op op) { return kInfo[static_cast<size_t>(op)]; }

std::optional<Op> op_from_name(std::string_view name) {
  for (size_t i = 0; i < kInfo.size(); ++i)
    if (kInfo[i].name == name) return static_cast<Op>(i);
  return std::nullopt;
}

}  // namespace braze
