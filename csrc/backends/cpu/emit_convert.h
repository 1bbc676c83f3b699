// Conversions between dtypes, in registers and between registers and memory.
#pragma once

#include "code.h"

namespace braze::cpu {

/// `value` of dtype `from` as dtype `to`, as torch's `to` does it; what C++ leaves undefined is what x86 gives.
llvm::Value* emit_convert(Code& code, llvm::Value* value, DType from, DType to);

/// Between the bits in memory (type memory_element) and the value in registers (type register_element).
llvm::Value* from_memory(Code& code, llvm::Value* bits, DType dtype);
llvm::Value* to_memory(Code& code, llvm::Value* value, DType dtype);

}  // namespace braze::cpu
