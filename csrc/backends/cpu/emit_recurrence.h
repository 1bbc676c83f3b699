// A recurrent layer: step after step the product of the states with the weights, panel by panel, and on each panel what
// makes the next states of it.
#pragma once

#include <string>

#include "schedule/recurrence_form.h"
#include "target.h"

#include "llvm/IR/Module.h"

namespace braze::cpu {

/// A function `name` for a kernel of this form. Chunks begin at multiples of form.unit().
void emit_recurrence(llvm::Module& module, const Kernel& kernel, const RecurrenceForm& form, const std::string& name,
                     const Isa& isa, bool fast_math);

}  // namespace braze::cpu
