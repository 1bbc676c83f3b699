// Functions, blocks and loops.
#include "function_emitter.h"

namespace braze::cpu {

llvm::Function* add_function(llvm::Module& module, const std::string& name, const Isa& isa,
                             llvm::ArrayRef<llvm::Type*> args, llvm::Type* result,
                             llvm::GlobalValue::LinkageTypes linkage) {
  auto* function = llvm::Function::Create(llvm::FunctionType::get(result, args, false), linkage, name, module);
  function->setDoesNotThrow();
  function->addFnAttr("prefer-vector-width", std::to_string(isa.vector_bits));
  // Registers are spilled to whole lines of the cache, not across two.
  const auto vector = llvm::Align(static_cast<uint64_t>(isa.vector_bits) / 8);
  function->addFnAttr(llvm::Attribute::getWithStackAlignment(module.getContext(), vector));
  return function;
}

void FunctionEmitter::enter(llvm::Function* function) {
  function_ = function;
  ir_.SetInsertPoint(add_block("entry"));
}

llvm::Value* FunctionEmitter::on_stack(llvm::Type* element, int64_t count) {
  auto* memory = ir_.CreateAlloca(element, number(count));
  memory->setAlignment(llvm::Align(64));
  return memory;
}

void FunctionEmitter::loop(Value* begin, Value* end, int64_t step, const std::function<void(Value*)>& body) {
  advance(begin, end, [&](Value* position) {
    body(position);
    return number(step);
  });
}

void FunctionEmitter::advance(Value* begin, Value* end, const std::function<Value*(Value*)>& body) {
  BasicBlock *before = ir_.GetInsertBlock(), *head = add_block("loop"), *inside = add_block("inside"),
             *after = add_block("after");
  ir_.CreateBr(head);
  ir_.SetInsertPoint(head);
  llvm::PHINode* position = ir_.CreatePHI(ir_.getInt64Ty(), 2);
  position->addIncoming(begin, before);
  ir_.CreateCondBr(ir_.CreateICmpSLT(position, end), inside, after);
  ir_.SetInsertPoint(inside);
  Value* step = body(position);
  position->addIncoming(ir_.CreateAdd(position, step), ir_.GetInsertBlock());
  ir_.CreateBr(head);
  ir_.SetInsertPoint(after);
}

void FunctionEmitter::when(Value* condition, const std::function<void()>& then) {
  BasicBlock *some = add_block("some"), *after = add_block("either");
  ir_.CreateCondBr(condition, some, after);
  ir_.SetInsertPoint(some);
  then();
  ir_.CreateBr(after);
  ir_.SetInsertPoint(after);
}

void FunctionEmitter::prefetch(Value* address, Cache into, bool to_write) {
  constexpr int kData = 1;
  ir_.CreateIntrinsic(
      llvm::Intrinsic::prefetch, {ir_.getPtrTy()},
      {address, ir_.getInt32(to_write), ir_.getInt32(into == Cache::First ? 3 : 2), ir_.getInt32(kData)});
}

}  // namespace braze::cpu
