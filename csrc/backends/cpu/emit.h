// Loop IR -> LLVM IR: the one entry.
#pragma once

#include <string>

#include "llvm/IR/Module.h"
#include "schedule/kernel.h"
#include "target.h"

namespace braze::cpu {

/// Adds to `module` a function `name` of type braze_kernel_fn that runs `kernel`.
void emit_kernel(llvm::Module& module, const Kernel& kernel, const std::string& name, const Isa& isa, bool fast_math);

}  // namespace braze::cpu
