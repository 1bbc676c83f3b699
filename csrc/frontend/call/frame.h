// What one running call of an entry needs for itself: its arena block, the pointer tables of its kernels, the tensor
// headers of its extern calls. A frame is made once and reused; calls that overlap in time get frames of their own.
//
// Addresses in the arena are written once. Everything else differs from call to call and is a patch: before step s
// runs, the address of an input, an output or an owned result, plus so many bytes, goes into param or operand i.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "frontend/library/extern_call.h"
#include "runtime/arena.h"
#include "schedule/plan.h"

namespace braze {

/// A place in a frame that holds an address which differs from call to call.
struct PointerPatch {
  int step;   // position in the launch list
  int index;  // kernel: param; extern: operand, or operand count + result
  BufferRef::Kind kind;
  int buffer;     // index of the input, output or owned slot
  int64_t bytes;  // added to the buffer's address
};

struct Frame {
  /// `step_sizes`: by step, the size parameters of its kernel; the frame points at them.
  Frame(const Plan& plan, const std::vector<std::unique_ptr<ExternCallSite>>& sites,
        const std::vector<std::vector<int64_t>>& step_sizes);

  /// Lets go of what extern calls allocated. For LeasePool.
  void end_call() { std::fill(owned.begin(), owned.end(), at::Tensor()); }

  std::vector<std::vector<void*>> params;  // by step, ending with its size parameters; empty for extern steps
  std::vector<std::unique_ptr<ExternInvocation>> invocations;  // by step; null for kernel steps
  std::vector<at::Tensor> owned;                               // by owned slot

 private:
  Arena arena_;
};

}  // namespace braze
