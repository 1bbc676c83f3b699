// What a step of a recurrent layer does with its sums, as kernels over the units of a panel.
#pragma once

#include "step_kernel.h"

namespace braze::cpu {

/// Some rows and units of a panel, whose gates are kUnitsOfPanel columns apart.
struct GateLayout {
  int64_t rows = 1, units = 1;
  int64_t given_row = 0, given_gate = 0;  // strides of what the inputs give
  int64_t state_row = 0;                  // of states and cells, before and after
};

/// Gates in, forget, cell, out: params sums, given, cells before, cells, hidden states.
Kernel lstm_step(const GateLayout& layout);
/// Gates reset, update, candidate: params sums, given, bias within the candidate, hidden states before, hidden states.
Kernel gru_step(const GateLayout& layout);

}  // namespace braze::cpu
