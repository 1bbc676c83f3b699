// The meaning of a recurrent layer: what one row's states are after each step.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "ops/op.h"

namespace braze {

struct RecurrentRow {
  Op op = Op::lstm_;
  int64_t steps = 0, units = 0;  // the depth is as long as the units
  /// Operand `operand` of the row at this step, unit, gate and place of the depth.
  std::function<double(int operand, int64_t step, int64_t unit, int64_t gate, int64_t place)> element;
};

/// Hidden states [steps, units], for an LSTM followed by cell states [steps, units].
std::vector<double> recur(const RecurrentRow& row);

}  // namespace braze
