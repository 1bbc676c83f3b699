// PyTorch's global and thread state that decides what a call computes, packed so that comparing it is one memcmp.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "frontend/compat.h"

namespace braze {

/// Grad and inference mode, autocast, the dispatcher's thread-local keys (functorch layers, Python modes), mode stacks
/// (a default device is one), determinism, precision and backend flags, number of threads, default dtype, rounding and
/// denormal control.
class TorchState {
 public:
  /// The state of this thread now. Tens of ns.
  static TorchState current();

  bool operator==(const TorchState& other) const { return std::memcmp(this, &other, sizeof *this) == 0; }

  /// A function or dispatch mode, functorch layer or tracer is active, or torch function is disabled: nothing recorded
  /// applies.
  bool is_intercepted() const;

  /// The names of the fields that differ, for explain.
  std::vector<std::string> difference(const TorchState& other) const;

 private:
  TorchState() { std::memset(static_cast<void*>(this), 0, sizeof *this); }

  // Widest first, so that there is no padding to compare.
  uint64_t included_keys_, excluded_keys_;
  uint32_t threads_;
  uint32_t float_control_;
  uint16_t function_modes_, dispatch_modes_;
  uint8_t grad_mode_, inference_mode_, forward_grad_mode_, view_replay_;
  uint8_t autocast_cpu_, autocast_cuda_, autocast_cpu_dtype_, autocast_cuda_dtype_, autocast_cache_;
  uint8_t default_dtype_, function_disabled_, tracing_;
  uint8_t float32_precision_[compat::precision_count];
  uint8_t context_[compat::context_flags_size];
  uint8_t unused_[8 - (16 + compat::precision_count + compat::context_flags_size) % 8];
};

}  // namespace braze
