// Calls to vector math functions that live outside generated code.
#pragma once

#include "code.h"
#include "ops/op.h"

namespace braze::cpu {

/// `op` (a row of externals.def) on f32 or f64 values: PyTorch's vector functions where the machine has AVX2, else the
/// C library's.
llvm::Value* emit_external(Code& code, Op op, llvm::ArrayRef<llvm::Value*> args);

/// Every external vector function that emit_external may name, null-terminated.
const char* const* external_symbols();

}  // namespace braze::cpu
