// Freezing: a program that reads weights becomes one that keeps what it needs of them, folded or in the library's own
// layout, and guards that say for how long that is right.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "frontend/freeze/freezing.h"
#include "frontend/guards/frozen_tensors.h"

namespace braze {

struct FrozenProgram {
  CapturedProgram program;
  std::shared_ptr<FrozenTensors> guards;
  FreezeRecord record;
};

/// `slots`: the call's tensors, arguments first. Nothing when no weight can be put to use.
std::optional<FrozenProgram> freeze(const CapturedProgram& program, const std::vector<at::Tensor>& slots,
                                    const Options& options);

/// Linear layers and convolutions that read a weight the call only reads.
std::pair<int, int> count_freezable(const CapturedProgram& program, const std::vector<at::Tensor>& slots);

}  // namespace braze
