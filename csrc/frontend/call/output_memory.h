// Where the outputs of compiled calls lie. Small ones are PyTorch's own allocator's. A big one would be fresh pages of
// the system each time, and making those takes longer than most kernels; so its block goes, when the last tensor over
// it is gone, to the next output of that size.
#pragma once

#include <c10/core/Allocator.h>

#include <cstdint>

namespace braze {

/// The allocator for an output of this many bytes. Lives as long as the process.
c10::Allocator* output_allocator(int64_t bytes);

}  // namespace braze
