// Products of matrices: tiles of the result held in registers, and after the last term the rest of the kernel on a
// panel that is still in the cache.
#pragma once

#include <string>

#include "schedule/product_form.h"
#include "target.h"

#include "llvm/IR/Module.h"

namespace braze::cpu {

/// A function `name` for a kernel of this form. Chunks begin at multiples of form.unit().
void emit_product(llvm::Module& module, const Kernel& kernel, const ProductForm& form, const std::string& name,
                  const Isa& isa, bool fast_math);

}  // namespace braze::cpu
