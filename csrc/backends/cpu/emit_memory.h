// Loads and stores of one value's lanes.
#pragma once

#include "code.h"

namespace braze::cpu {

/// Lanes of memory from `address` on, `stride` elements apart, where `mask` (b1 lanes; null: everywhere) is set;
/// elsewhere 0.
llvm::Value* emit_load(Code& code, DType dtype, llvm::Value* address, llvm::Value* stride, int lanes,
                       llvm::Value* mask);

/// Lanes of memory at `address` + offsets[lane] elements.
llvm::Value* emit_gather(Code& code, DType dtype, llvm::Value* address, llvm::Value* offsets, llvm::Value* mask);

void emit_store(Code& code, DType dtype, llvm::Value* value, llvm::Value* address, llvm::Value* stride,
                llvm::Value* mask);

/// Asks for the cache line `offset` elements from `address`, which may lie outside of all memory there is.
void emit_prefetch(Code& code, DType dtype, llvm::Value* address, int64_t offset);

/// A store past the caches: of a whole vector, at a multiple of its size. Others see it after emit_stream_end().
void emit_stream(Code& code, DType dtype, llvm::Value* value, llvm::Value* address);
void emit_stream_end(Code& code);

/// Whether masks known only at run time are cheap for accesses of this kind (else the caller finishes with scalar
/// code).
bool masks_well(const Isa& isa, DType dtype, bool contiguous);

}  // namespace braze::cpu
