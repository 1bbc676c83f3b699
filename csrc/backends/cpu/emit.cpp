// A function for a kernel: layout first, then the loops, with all instructions vectorised as they are written.
#include "emit.h"

#include <functional>

#include "code.h"
#include "emit_attention.h"
#include "emit_depthwise.h"
#include "emit_loops.h"
#include "emit_product.h"
#include "emit_recurrence.h"
#include "function_emitter.h"
#include "loop_layout.h"

namespace braze::cpu {

namespace {

/// Goes on to one of two functions by a condition that is computed at the entry.
void emit_choice(Code& code, llvm::Function* function, const std::function<llvm::Value*()>& condition,
                 llvm::Function* yes, llvm::Function* no) {
  auto& ir = code.ir;
  auto add_block = [&](const char* name) { return llvm::BasicBlock::Create(ir.getContext(), name, function); };
  auto *entry = add_block("entry"), *one = add_block("one"), *other = add_block("other");
  ir.SetInsertPoint(entry);
  ir.CreateCondBr(condition(), one, other);
  for (auto [block, target] : {std::pair(one, yes), std::pair(other, no)}) {
    ir.SetInsertPoint(block);
    auto* call = ir.CreateCall(target, {function->getArg(0), function->getArg(1), function->getArg(2)});
    call->setTailCall();
    ir.CreateRet(call);
  }
}

/// Whether a call's rows are at most `most` points long.
llvm::Value* rows_fit(Code& code, llvm::Function* function, const Kernel& kernel, int64_t most) {
  auto& ir = code.ir;
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
  return ir.CreateICmpSLE(points, ir.getInt64(static_cast<uint64_t>(most)));
}

/// Whether all that the layout streams to, and the first point, begin at a line of the cache.
llvm::Value* lines_begin(Code& code, llvm::Function* function, const LoopLayout& layout) {
  auto& ir = code.ir;
  llvm::Value* bits = ir.getInt64(0);
  for (size_t i = 0; i < layout.streams.size(); ++i) {
    if (!layout.streams[i]) continue;
    const auto bytes = static_cast<uint64_t>(info(layout.kernel.body[i].dtype).bytes);
    const bool by_points = layout.shape != LoopLayout::Shape::Rows;
    if (by_points) bits = ir.CreateOr(bits, ir.CreateMul(function->getArg(1), ir.getInt64(bytes)));
    llvm::Value* slot = ir.CreateConstGEP1_64(ir.getPtrTy(), function->getArg(0), layout.kernel.body[i].param);
    bits = ir.CreateOr(bits, ir.CreatePtrToInt(ir.CreateLoad(ir.getPtrTy(), slot), ir.getInt64Ty()));
  }
  return ir.CreateIsNull(ir.CreateAnd(bits, ir.getInt64(kCacheLine - 1)));
}

}  // namespace

void emit_kernel(llvm::Module& module, const Kernel& kernel, const std::string& name, const Isa& isa, bool fast_math) {
  if (const auto form = product_form(kernel)) return emit_product(module, kernel, *form, name, isa, fast_math);
  if (const auto form = attention_form(kernel)) return emit_attention(module, kernel, *form, name, isa, fast_math);
  if (const auto form = recurrence_form(kernel)) return emit_recurrence(module, kernel, *form, name, isa, fast_math);
  if (const auto form = depthwise_form(kernel)) return emit_depthwise(module, kernel, *form, name, isa, fast_math);
  llvm::IRBuilder<> ir(module.getContext());
  ir.setFastMathFlags(float_flags(fast_math));
  llvm::Type *i64 = ir.getInt64Ty(), *pointer = ir.getPtrTy();
  auto add = [&](const std::string& called, llvm::GlobalValue::LinkageTypes linkage) {
    return add_function(module, called, isa, {pointer, i64, i64}, i64, linkage);
  };
  llvm::Function* function = add(name, llvm::Function::ExternalLinkage);
  auto emit = [&](const LoopLayout& layout, llvm::Function& into, llvm::Function* rest = nullptr) {
    Code code{ir, isa, fast_math};
    LoopEmitter(code, layout, into, rest).run();
  };
  auto add_part = [&](const char* part) { return add(name + part, llvm::Function::InternalLinkage); };
  const LoopLayout layout(kernel, isa);
  Code code{ir, isa, fast_math};
  if (layout.keeps_values() && !layout.has_known_reduce_points()) {
    llvm::Function *few = add_part(".few"), *many = add_part(".many");
    const auto fit = [&] { return rows_fit(code, function, kernel, layout.most_reduce_points()); };
    emit_choice(code, function, fit, few, many);
    emit(layout, *few);
    emit(LoopLayout(kernel, isa, {.puts_aside = false}), *many);
  } else if (layout.has_streams()) {
    llvm::Function *streaming = add_part(".streaming"), *storing = add_part(".storing");
    emit_choice(code, function, [&] { return lines_begin(code, function, layout); }, streaming, storing);
    emit(layout, *streaming, layout.is_flat() ? storing : nullptr);
    emit(LoopLayout(kernel, isa, {.streams = false}), *storing);
  } else {
    emit(layout, *function);
  }
}

}  // namespace braze::cpu
