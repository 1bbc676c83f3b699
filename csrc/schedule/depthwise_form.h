// Which kernels are convolutions channel by channel, with something done to each result, and how such a one is cut.
//
//   kernel parallel=[outer..., rows, channels] reduce=[window...]     (rows may be missing: one row)
//     %a: f32 = load p0 [.., r, 1, i..]+..      the left factor, the input
//     %b: f32 = load p1 [0, 0, 1, j..]+..       the right factor, the weight: the same at all places
//     %c: f32 row = dot %a, %b
//     row loads, elementwise instructions of rows, row stores
//
// A code generator writes out every place of the window; a launch cuts such a kernel between lines, which is what all
// rows are.
#pragma once

#include <cstdint>
#include <optional>

#include "schedule/kernel.h"

namespace braze {

struct DepthwiseForm {
  int dot = -1, left = -1, right = -1;   // instructions: the reduction, two loads
  int channel_axis = -1, row_axis = -1;  // row_axis -1: one row
  int64_t outer = 1, rows = 1, channels = 1;

  /// Every chunk of a launch begins at a multiple of this many points.
  int64_t unit() const { return rows * channels; }
};

/// The form of a static kernel that sums such products in f32.
std::optional<DepthwiseForm> depthwise_form(const Kernel& kernel);

}  // namespace braze
