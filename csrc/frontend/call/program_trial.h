// A small program compiled in one way, with tensors to try it on.
#pragma once

#include <cstdint>
#include <vector>

#include "compiler.h"
#include "frontend/call/compiled_call.h"
#include "frontend/capture/functionalise.h"

namespace braze {

class ProgramTrial {
 public:
  /// The last input takes turns with copies of itself, `copies` of them: what a model reads once a call is in no cache.
  ProgramTrial(const CapturedProgram& program, CompiledPlan compiled, int64_t copies = 1);

  void run();

 private:
  CompiledCall call_;
  std::vector<at::Tensor> inputs_, copies_;
  size_t turn_ = 0;
};

}  // namespace braze
