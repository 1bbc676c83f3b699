// The innermost part of a product: one tile of the result in registers while the depth runs by.
#pragma once

#include <string>

#include "ops/dtype.h"
#include "schedule/product_form.h"
#include "target.h"

#include "llvm/IR/Module.h"

namespace braze::cpu {

constexpr int64_t kLine = 64;       // bytes of memory that travel together
constexpr int64_t kTilePart = 128;  // of the depth, in one call of a tile along the columns

/// How a tile is made. All strides are in elements.
struct TileShape {
  int rows = 1, columns = 1;
  int64_t left_row = 0, left_depth = 0;         // strides of the left factor
  int64_t right_column = 1, right_depth = 0;    // of the right one; right_column 1 unless `along_depth`
  int64_t result_row = kPanelColumns;           // of the result
  DType left = DType::f32, right = DType::f32;  // in memory; half types are widened as they are read
  bool along_depth = false;  // vectors lie along the depth, of which both factors' strides are 1, and are summed at the
                             // end; else along the columns, as many as whole vectors hold
  int ahead = 0;             // along the columns: lines to ask for at each step of the depth
  bool asks_for_left = false;  // along the columns: and for the left factor's rows below
  bool jumps = false;          // along the columns: a table says where each step of the depth is in the left factor
  int64_t depth = 0;           // of the whole product; each call covers a part that begins at a whole vector
};

/// An internal function void(left, right, result, depth: i64, more: i1) that adds `depth` products to each element of
/// the tile, or with more == 0 puts them there. With `ahead` two arguments follow, (ahead, step: i64): meanwhile it
/// brings the lines at ahead, ahead + step bytes, ... into the second cache. With `jumps` comes the table, of i64.
llvm::Function* emit_tile(llvm::Module& module, const TileShape& shape, const std::string& name, const Isa& isa);

}  // namespace braze::cpu
