// The primitives and their properties; the table is ops.def.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace braze {

enum class Op : uint8_t {
#define OP(name, arity, cls, properties) name##_,
#include "ops/ops.def"
#undef OP
};

enum class OpClass : uint8_t { Elementwise, Index, Gather, Reduce, Memory, Extern };

enum OpProperty : uint8_t { Commutes = 1, Costly = 2, Compares = 4, Attends = 8, Recurs = 16, Backward = 32 };

struct OpInfo {
  std::string_view name;
  int arity;  // -1: any number
  OpClass cls;
  uint8_t properties;

  bool has(OpProperty property) const { return properties & property; }
};

const OpInfo& info(Op op);
/// attend and its like: kernels of a form of their own (schedule/attention_form.h).
inline bool is_attention(Op op) { return info(op).has(Attends); }
/// lstm and its like: the same (schedule/recurrence_form.h).
inline bool is_recurrence(Op op) { return info(op).has(Recurs); }
/// Weights of such a layer may be packed by blocks of so many units, whose gates are made together.
constexpr int kUnitsOfPanel = 16;
std::optional<Op> op_from_name(std::string_view name);

}  // namespace braze
