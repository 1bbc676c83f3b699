// Elementwise primitives -> instructions.
#pragma once

#include "code.h"
#include "ops/op.h"

namespace braze::cpu {

struct Operation {
  Op op;
  DType dtype;  // of the result
  DType from;   // of the operands (of the last one, for `where`)
  llvm::ArrayRef<llvm::Value*> args;
};

/// The result of one elementwise instruction; operands have equally many lanes.
llvm::Value* emit_elementwise(Code& code, const Operation& operation);

/// min/max of two values as reductions and `minimum`, `maximum` mean it: NaN when either is NaN.
llvm::Value* emit_extremum(Code& code, bool of_max, bool is_signed, llvm::Value* a, llvm::Value* b);

/// f32 lanes rounded to the nearest value of a half type; still f32.
llvm::Value* round_to_half(Code& code, llvm::Value* value, DType half);

}  // namespace braze::cpu
