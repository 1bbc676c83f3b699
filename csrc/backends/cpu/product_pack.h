// Packing the right factor of a product: a part of a panel, its columns side by side, so that tiles read it in order.
#pragma once

#include <string>

#include "ops/dtype.h"
#include "target.h"

#include "llvm/IR/Module.h"

namespace braze::cpu {

/// An internal function void(from, to, depth: i64) that packs floats of f32 from `dtype`, for columns that are each
/// contiguous along the depth, `apart` elements from one another. `width` columns are packed; vectors past the last
/// hold its copies. `depth_rest`: what a depth that is no multiple of 16 leaves.
llvm::Function* emit_transposing_pack(llvm::Module& module, DType dtype, int64_t width, int64_t apart,
                                      int64_t depth_rest, const std::string& name, const Isa& isa);

}  // namespace braze::cpu
