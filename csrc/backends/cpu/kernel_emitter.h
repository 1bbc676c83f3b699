// What the emitters of kernels of a form share, whose loops are their own: the kernel's function, its params, and the
// kernels with ordinary loops that it calls.
#pragma once

#include <string>
#include <vector>

#include "function_emitter.h"
#include "schedule/kernel.h"

namespace braze::cpu {

class KernelEmitter : protected FunctionEmitter {
 protected:
  KernelEmitter(llvm::Module& module, const Kernel& kernel, const std::string& name, const Isa& isa, bool fast_math)
      : FunctionEmitter(module, isa), kernel_(kernel), name_(name), fast_math_(fast_math) {}

  /// Enters the kernel's function, with its params loaded.
  void enter_kernel();
  Value* begin() { return function_->getArg(1); }
  Value* end() { return function_->getArg(2); }

  /// A function for a kernel that this one calls.
  llvm::Function* add_part(const Kernel& part, const std::string& name);
  void put_pointer(Value* pointers, size_t place, Value* pointer) {
    ir_.CreateStore(pointer, ir_.CreateConstGEP1_64(ir_.getPtrTy(), pointers, place));
  }

  const Kernel& kernel_;
  const std::string& name_;
  const bool fast_math_;
  std::vector<Value*> params_;
};

}  // namespace braze::cpu
