// What an entry runs once its guards hold.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <vector>

namespace braze {

class Executable {
 public:
  virtual ~Executable() = default;

  /// `inputs`: the argument tensors in flatten order, then the captured ones, borrowed for the call. Fills `outputs`
  /// and returns true; false when the call must run eagerly instead, in which case nothing was written.
  virtual bool run(at::TensorImpl* const* inputs, size_t count, std::vector<at::Tensor>& outputs) = 0;

  /// Whether it is as fast as it is going to be: until then no call counts for the trial.
  virtual bool is_settled() const { return true; }

  /// Whether no two calls need take the same time.
  virtual bool varies() const { return false; }
};

}  // namespace braze
