// A function for a kernel: layout first, then the loops, with all instructions vectorised as they are written.
#include "emit.h"

#include "code.h"
#include "emit_loops.h"
#include "emit_product.h"
#include "function_emitter.h"
#include "loop_layout.h"

namespace braze::cpu {

namespace {

/// Goes on to `few` when a call's rows are at most `most` points long, else to `many`.
void emit_choice(Code& code, llvm::Function* function, const Kernel& kernel, int64_t most, llvm::Function* few,
                 llvm::Function* many) {
  auto& ir = code.ir;
  llvm::LLVMContext& context = ir.getContext();
  auto add_block = [&](const char* name) { return llvm::BasicBlock::Create(context, name, function); };
  auto *entry = add_block("entry"), *short_rows = add_block("short"), *long_rows = add_block("long");
  ir.SetInsertPoint(entry);
  llvm::Value* sizes =
      ir.CreateLoad(ir.getPtrTy(), ir.CreateConstGEP1_64(ir.getPtrTy(), function->getArg(0), kernel.params.size()));
  llvm::Value* points = ir.getInt64(1);
  for (size_t a = kernel.parallel_axes(); a < kernel.axes.size(); ++a) {
    const int64_t extent = kernel.axes[a];
    llvm::Value* value = ir.getInt64(static_cast<uint64_t>(extent));
    if (is_size_param(extent))
      value =
          ir.CreateLoad(ir.getInt64Ty(), ir.CreateConstGEP1_64(ir.getInt64Ty(), sizes, size_param_position(extent)));
    points = ir.CreateMul(points, value);
  }
  ir.CreateCondBr(ir.CreateICmpSLE(points, ir.getInt64(static_cast<uint64_t>(most))), short_rows, long_rows);
  for (auto [block, target] : {std::pair(short_rows, few), std::pair(long_rows, many)}) {
    ir.SetInsertPoint(block);
    auto* call = ir.CreateCall(target, {function->getArg(0), function->getArg(1), function->getArg(2)});
    call->setTailCall();
    ir.CreateRet(call);
  }
}

}  // namespace

void emit_kernel(llvm::Module& module, const Kernel& kernel, const std::string& name, const Isa& isa, bool fast_math) {
  if (const auto form = product_form(kernel)) return emit_product(module, kernel, *form, name, isa, fast_math);
  llvm::IRBuilder<> ir(module.getContext());
  if (fast_math) {
    llvm::FastMathFlags flags;
    flags.setAllowContract(true);
    ir.setFastMathFlags(flags);
  }
  llvm::Type *i64 = ir.getInt64Ty(), *pointer = ir.getPtrTy();
  auto add = [&](const std::string& called, llvm::GlobalValue::LinkageTypes linkage) {
    return add_function(module, called, isa, {pointer, i64, i64}, i64, linkage);
  };
  llvm::Function* function = add(name, llvm::Function::ExternalLinkage);
  auto emit = [&](const LoopLayout& layout, llvm::Function& into) {
    Code code{ir, isa, fast_math};
    LoopEmitter(code, layout, into).run();
  };
  const LoopLayout layout(kernel, isa);
  if (!layout.keeps_values() || layout.has_known_reduce_points()) return emit(layout, *function);

  llvm::Function* few = add(name + ".few", llvm::Function::InternalLinkage);
  llvm::Function* many = add(name + ".many", llvm::Function::InternalLinkage);
  Code code{ir, isa, fast_math};
  emit_choice(code, function, kernel, layout.most_reduce_points(), few, many);
  emit(layout, *few);
  emit(LoopLayout(kernel, isa, LoopLayout::Aside::Never), *many);
}

}  // namespace braze::cpu
