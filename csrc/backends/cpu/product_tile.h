// The innermost part of a product: one tile of the result in registers while the depth runs by.
#pragma once

#include <string>

#include "target.h"

#include "llvm/IR/Module.h"

namespace braze::cpu {

/// How a tile is made. All strides are in elements; the result's rows are kPanelColumns apart.
struct TileShape {
  int rows = 1, columns = 1;
  int64_t left_row = 0, left_depth = 0;       // strides of the left factor
  int64_t right_column = 1, right_depth = 0;  // of the right one; right_column 1 unless `along_depth`
  bool along_depth = false;  // vectors lie along the depth, of which both factors' strides are 1, and are summed at the
                             // end; else along the columns, as many as whole vectors hold
  int64_t depth = 0;         // of the whole product; each call covers a part that begins at a whole vector
};

/// An internal function void(left, right, result, depth: i64, more: i1) that adds `depth` products to each element of
/// the tile, or with more == 0 puts them there.
llvm::Function* emit_tile(llvm::Module& module, const TileShape& shape, const std::string& name, const Isa& isa);

}  // namespace braze::cpu
