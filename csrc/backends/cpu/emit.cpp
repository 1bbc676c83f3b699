// A function for a kernel: layout first, then the loops, with all instructions vectorised as they are written.
#include "emit.h"

#include "code.h"
#include "emit_loops.h"
#include "loop_layout.h"

namespace braze::cpu {

void emit_kernel(llvm::Module& module, const Kernel& kernel, const std::string& name, const Isa& isa, bool fast_math) {
  llvm::LLVMContext& context = module.getContext();
  llvm::IRBuilder<> ir(context);
  if (fast_math) {
    llvm::FastMathFlags flags;
    flags.setAllowContract(true);
    ir.setFastMathFlags(flags);
  }
  auto* type = llvm::FunctionType::get(ir.getInt64Ty(), {ir.getPtrTy(), ir.getInt64Ty(), ir.getInt64Ty()}, false);
  auto* function = llvm::Function::Create(type, llvm::Function::ExternalLinkage, name, module);
  function->setDoesNotThrow();
  function->addFnAttr("prefer-vector-width", std::to_string(isa.vector_bits));

  const LoopLayout layout(kernel, isa);
  Code code{ir, isa, fast_math};
  LoopEmitter(code, layout, *function).run();
}

}  // namespace braze::cpu
