// Reductions: what an accumulator starts from, how a value goes in, how two become one, how lanes become one.
#pragma once

#include <vector>

#include "code.h"
#include "ops/op.h"

namespace braze::cpu {

/// The state of one reduction in lanes: a value, and for argmin and argmax the position it came from too.
using Accumulator = llvm::SmallVector<llvm::Value*, 2>;

struct Reducer {
  Op op;
  DType from;                  // of the operand
  bool wide_positions = true;  // argmin, argmax: positions need i64 (else i32)

  bool has_position() const { return op == Op::argmin_ || op == Op::argmax_; }
  llvm::Type* position_element(Code& code) const {
    return wide_positions ? code.ir.getInt64Ty() : code.ir.getInt32Ty();
  }

  /// What reduces to nothing.
  Accumulator identity(Code& code, int lanes) const;
  /// `accumulator` with one more value a lane, further on in order than all before; `mask` null: in every lane.
  Accumulator add(Code& code, const Accumulator& accumulator, llvm::Value* value, llvm::Value* position,
                  llvm::Value* mask) const;
  /// Two accumulators as one; positions may interleave.
  Accumulator merge(Code& code, const Accumulator& a, const Accumulator& b) const;
  /// All lanes as one.
  Accumulator across(Code& code, Accumulator accumulator) const;
  /// The result, in the registers of the instruction's dtype.
  llvm::Value* result(Code& code, const Accumulator& accumulator) const;
};

}  // namespace braze::cpu
