// Which kernels are attention, and how one is cut.
//
//   kernel parallel=[outer..., rows, columns] reduce=[keys, depth]     (rows may be missing: one row)
//     %q: f32 = load p0 [.., r, 0, 0, d]+..      queries
//     %k: f32 = load p1 [.., 0, 0, k, d]+..      keys
//     %v: f32 = load p2 [.., 0, c, k, 0]+..      values
//     %m: f32 = load p3 [.., r, 0, k, 0]+..      added to the scores, or a constant
//     %s: f32 = const ..                         the scale of the scores
//     %a: f32 row = attend %q, %k, %v, %m, %s
//     store row p4 [..] %a
//
// A code generator makes it block by block of rows and never holds the scores of more than some keys. Nothing else is
// fused with it, and no other kernel may hold an attend.
#pragma once

#include <cstdint>
#include <optional>

#include "schedule/kernel.h"

namespace braze {

struct AttentionForm {
  int attend = -1, query = -1, key = -1, value = -1, mask = -1, scale = -1, store = -1;  // instructions
  int row_axis = -1, column_axis = -1;  // row_axis -1: one row; then come the keys and the depth
  int64_t outer = 1, rows = 1, columns = 1, keys = 1, depth = 1;
  bool causal = false;  // row r attends to keys 0..r

  /// Rows that are made together; what divides the rows of a launch.
  int64_t block() const;
  /// Every chunk of a launch begins at a multiple of this many points.
  int64_t unit() const { return (outer == 1 || rows % block() == 0 ? block() : rows) * columns; }
};

/// The form of a static kernel that is attention.
std::optional<AttentionForm> attention_form(const Kernel& kernel);

}  // namespace braze
