// What emitters of whole functions share: making the function, its blocks, its loops.
#pragma once

#include <functional>
#include <string>

#include "code.h"
#include "target.h"

#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

namespace braze::cpu {

/// A function of the module that throws nothing and uses vectors as wide as `isa` has them.
llvm::Function* add_function(llvm::Module& module, const std::string& name, const Isa& isa,
                             llvm::ArrayRef<llvm::Type*> args, llvm::Type* result,
                             llvm::GlobalValue::LinkageTypes linkage = llvm::GlobalValue::InternalLinkage);

class FunctionEmitter {
 protected:
  using BasicBlock = llvm::BasicBlock;
  using Value = llvm::Value;

  FunctionEmitter(llvm::Module& module, const Isa& isa) : module_(module), isa_(isa), ir_(module.getContext()) {}

  /// From now on blocks belong to `function`, and instructions go to its entry.
  void enter(llvm::Function* function);
  BasicBlock* add_block(const char* name) { return BasicBlock::Create(ir_.getContext(), name, function_); }

  llvm::Constant* number(int64_t n) { return ir_.getInt64(static_cast<uint64_t>(n)); }
  Value* times(Value* position, int64_t stride) {
    return stride == 1 ? position : ir_.CreateMul(position, number(stride));
  }
  Value* floats(Value* base, Value* offset) { return ir_.CreateGEP(ir_.getFloatTy(), base, offset); }
  Value* floats(Value* base, int64_t offset) { return floats(base, number(offset)); }
  /// The address `offset` elements of memory further on.
  Value* moved(Value* base, DType dtype, Value* offset) {
    return ir_.CreateGEP(memory_element(ir_.getContext(), dtype), base, offset);
  }

  Value* least(Value* a, Value* b) { return ir_.CreateSelect(ir_.CreateICmpSLT(a, b), a, b); }
  /// Room for `count` elements, at a line of the cache.
  Value* on_stack(llvm::Type* element, int64_t count);

  /// Positions begin, begin + step, ... below `end`: maybe none.
  void loop(Value* begin, Value* end, int64_t step, const std::function<void(Value*)>& body);
  /// The same where the body says how far it came.
  void advance(Value* begin, Value* end, const std::function<Value*(Value*)>& body);
  void when(Value* condition, const std::function<void()>& then);

  enum class Cache { First, Second };
  /// Asks for the line of memory at an address, which need not be one of ours.
  void prefetch(Value* address, Cache into, bool to_write = false);

  llvm::Module& module_;
  const Isa& isa_;
  llvm::IRBuilder<> ir_;
  llvm::Function* function_ = nullptr;
};

}  // namespace braze::cpu
