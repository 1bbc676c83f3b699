// Attention: scores of some keys at a time for a block of rows, their exponentials, and the values they weigh, all in
// the caches.
#pragma once

#include <string>

#include "schedule/attention_form.h"
#include "target.h"

#include "llvm/IR/Module.h"

namespace braze::cpu {

/// A function `name` for a kernel of this form. Chunks begin at multiples of form.unit().
void emit_attention(llvm::Module& module, const Kernel& kernel, const AttentionForm& form, const std::string& name,
                    const Isa& isa, bool fast_math);

}  // namespace braze::cpu
