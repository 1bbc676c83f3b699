// The head of a kernel's function, and the parts it calls.
#include "kernel_emitter.h"

#include "emit_loops.h"

namespace braze::cpu {

void KernelEmitter::enter_kernel() {
  llvm::Type *i64 = ir_.getInt64Ty(), *pointer = ir_.getPtrTy();
  enter(add_function(module_, name_, isa_, {pointer, i64, i64}, i64, llvm::Function::ExternalLinkage));
  for (size_t p = 0; p < kernel_.params.size(); ++p)
    params_.push_back(ir_.CreateLoad(pointer, ir_.CreateConstGEP1_64(pointer, function_->getArg(0), p)));
}

llvm::Function* KernelEmitter::add_part(const Kernel& part, const std::string& name) {
  return add_loops(module_, part, name, isa_, fast_math_);
}

}  // namespace braze::cpu
