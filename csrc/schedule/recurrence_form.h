// Which kernels are layers of a recurrent network, and how one is cut.
//
//   kernel parallel=[rows, states, steps, blocks, units] reduce=[gates, depth]     (the first after rows in any order)
//     %x: f32 = load p0 [r, 0, t, b, u, g, 0]+..      what the inputs give each gate
//     %w: f32 = load p1 [0, 0, 0, b, u, g, k]+..      weights of the states before
//     %h: f32 = load p2 [r, 0, 0, 0, 0, 0, k]+..      the first states
//     %c: f32 = load p3 [r, 0, 0, b, u, 0, 0]+..      the first cells; of a GRU a bias within the candidate, for all
//     rows %s: f32 row = lstm %x, %w, %h, %c store row p4 [..] %s
//
// The depth runs over the units of the step before, so it is as long as blocks and units together. `states` is an axis
// of 2 where a unit has a hidden state and a cell state, which follow each other in the result in this order. Rows,
// steps and blocks may be missing: one of them.
//
// Rows are independent of one another and nothing else is, so a launch cuts between rows alone. Weights lie either
// packed, the columns of a block (its units by gate) side by side for each place of the depth, or with the depth
// innermost.
#pragma once

#include <cstdint>
#include <optional>

#include "schedule/kernel.h"

namespace braze {

struct RecurrenceForm {
  Op op = Op::lstm_;
  int given = -1, weight = -1, start = -1, extra = -1, store = -1;                      // instructions
  int row_axis = -1, state_axis = -1, step_axis = -1, block_axis = -1, unit_axis = -1;  // -1: missing
  int gate_axis = -1, depth_axis = -1;
  int64_t rows = 1, states = 1, steps = 1, blocks = 1, units = 1, gates = 1, depth = 1;
  bool packed = false;    // weights
  bool backward = false;  // from the last step to the first

  /// Rows whose sums are made together; tiles are as even as can be.
  int64_t tile_rows() const;
  int64_t points_of_row() const { return states * steps * blocks * units; }
  /// Every chunk of a launch begins at a multiple of this many points.
  int64_t unit() const { return tile_rows() * points_of_row(); }
};

/// The form of a static kernel that is such a layer.
std::optional<RecurrenceForm> recurrence_form(const Kernel& kernel);

}  // namespace braze
