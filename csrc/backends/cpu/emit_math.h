// Transcendental primitives -> polynomials where they are fast and within 2 ulp, else calls.
#pragma once

#include "code.h"
#include "ops/op.h"

namespace braze::cpu {

llvm::Value* emit_math(Code& code, Op op, llvm::ArrayRef<llvm::Value*> args);

/// To the nearest integer, halves to even.
llvm::Value* emit_round_even(Code& code, llvm::Value* value);

}  // namespace braze::cpu
