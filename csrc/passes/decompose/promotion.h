// The dtype several operands compute at together, by torch's rules: tensors with dims outrank 0-d tensors, these
// outrank Python numbers, and a lower rank only matters when it is of a higher kind (bool < integer < floating).
#pragma once

#include <optional>

#include "ops/dtype.h"

namespace braze {

enum class Rank { Tensor, ZeroDim, Number };

class Promotion {
 public:
  void add(DType dtype, Rank rank);
  /// Nothing when no operand came, or one that our kernels do not compute with.
  std::optional<DType> result() const;

 private:
  std::optional<DType> by_rank_[3];
  bool unsupported_ = false;
};

/// What f16 and bf16 are computed at; any other dtype itself.
DType opmath(DType dtype);

/// The dtype two dtypes of equal rank compute at; nothing for stored-only dtypes.
std::optional<DType> promote(DType a, DType b);

}  // namespace braze
