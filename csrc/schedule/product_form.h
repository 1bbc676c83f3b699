// Which kernels are products of matrices with something done to each result, and how such a product is cut.
//
//   kernel parallel=[outer..., columns, rows] reduce=[depth]     (rows may be missing: one row)
//     %a: f32 = load p0 [.., 0, r, k]+..      the left factor, which does not move along columns
//     %b: f32 = load p1 [.., c, 0, k]+..      the right factor, which does not move along rows; either may be a half
//                                             type's, followed by a cast
//     %c: f32 row = dot %a, %b
//     row loads, elementwise instructions of rows, row stores
//
// A code generator makes such a kernel tile by tile, over panels of kPanelColumns columns, or of some times as many; a
// launch cuts it between such columns and nowhere else.
//
// A convolution is a product whose rows come in lines (the places of an image row), and whose left factor moves through
// the depth in jumps:
//
//   kernel parallel=[outer..., lines, blocks, columns, rows] reduce=[window height, window width * channels]
//     %a: f32 = load p0 [.., l, 0, 0, r, h, k]+..
//     %b: f32 = load p1 [.., 0, b, c, 0, k * K, k]+..   the depth of the right factor is one axis in memory; blocks may
//                                                       be missing, else their columns are a panel's
//
// All its columns are made for some lines at a time; a launch cuts it between lines.
#pragma once

#include <cstdint>
#include <optional>

#include "schedule/kernel.h"

namespace braze {

constexpr int64_t kPanelColumns = 64;

struct ProductForm {
  int dot = -1, left = -1, right = -1;  // instructions: the reduction, two loads
  int column_axis = -1, row_axis = -1;  // row_axis -1: one row
  int line_axis = -1, block_axis = -1;  // -1: one line, one block
  bool lined = false;
  int64_t outer = 1, lines = 1, columns = 1, rows = 1, depth = 1;  // columns: of all blocks; rows: of a line

  /// Every chunk of a launch begins at a multiple of this many points.
  int64_t unit() const {
    return (!lined && (outer == 1 || columns % kPanelColumns == 0) ? kPanelColumns : columns) * rows;
  }
};

/// Whether the instruction reads a factor or widens it.
bool is_of_factor(const Instr& in);
/// Whether it is a part of what is done to each result.
bool belongs_to_result(const Instr& in);

/// The form of a static kernel that sums such a product in f32.
std::optional<ProductForm> product_form(const Kernel& kernel);

}  // namespace braze
