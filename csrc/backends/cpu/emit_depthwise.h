// Convolutions channel by channel: the window written out over a few places of the result held in registers.
#pragma once

#include <string>

#include "schedule/depthwise_form.h"
#include "target.h"

#include "llvm/IR/Module.h"

namespace braze::cpu {

/// A function `name` for a kernel of this form. Chunks begin at multiples of form.unit().
void emit_depthwise(llvm::Module& module, const Kernel& kernel, const DepthwiseForm& form, const std::string& name,
                    const Isa& isa, bool fast_math);

}  // namespace braze::cpu
