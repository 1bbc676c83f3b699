// The meaning of attention: what one element of its result is.
#pragma once

#include <cstdint>
#include <functional>

#include "ops/scalar.h"

namespace braze {

struct AttendedPoint {
  int64_t keys = 0, depth = 0;
  int64_t visible = 0;  // the keys that the row attends to are the first so many
  /// Operand `operand` of the attend at this key and place of the depth.
  std::function<double(int operand, int64_t key, int64_t place)> element;
};

/// The mean of the values, weighted by the exponentials of the scores; 0 where every score is -inf.
Scalar attend(const AttendedPoint& point);

}  // namespace braze
