// The function around the loops, and the two kinds of loop.
#include "emit_loops.h"

#include "emit_memory.h"
#include "function_emitter.h"

namespace braze::cpu {

using llvm::BasicBlock;
using llvm::Value;

LoopEmitter::LoopEmitter(Code& code, const LoopLayout& layout, llvm::Function& function, llvm::Function* rest)
    : code_(code), ir_(code.ir), layout_(layout), kernel_(layout.kernel), function_(function), rest_(rest) {
  const size_t count = kernel_.body.size();
  bases_.assign(layout.levels, Values(count, nullptr));
  linear_.assign(layout.levels, nullptr);
  int copies = layout.point_unroll;
  for (int unroll : layout.unroll) copies = std::max(copies, unroll);
  varying_.assign(copies, Values(count, nullptr));
  uniform_ = spread_ = offsets_ = kept_ = tiles_ = Values(count, nullptr);
}

void LoopEmitter::run() {
  llvm::LLVMContext& context = ir_.getContext();
  auto* entry = BasicBlock::Create(context, "entry", &function_);
  auto* start = BasicBlock::Create(context, "start", &function_);
  auto* done = BasicBlock::Create(context, "done", &function_);
  auto* fail = BasicBlock::Create(context, "fail", &function_);
  code_.fail = fail;
  Value *begin = function_.getArg(1), *end = function_.getArg(2);
  ir_.SetInsertPoint(entry);
  auto on_stack = [&](llvm::Type* element, int64_t count) {
    auto* memory = ir_.CreateAlloca(element, number(count));
    memory->setAlignment(llvm::Align(64));
    return memory;
  };
  for (size_t i = 0; i < kernel_.body.size(); ++i) {
    const DType dtype = kernel_.body[i].dtype;
    llvm::Type* element = dtype == DType::b1 ? ir_.getInt8Ty() : register_element(context, dtype);
    if (layout_.kept_from[i] >= 0) {
      const bool known = layout_.has_known_reduce_points();
      kept_[i] = on_stack(element, (known ? kernel_.reduce_points() : layout_.most_reduce_points()) + layout_.lanes);
    }
    if (layout_.transposed[i])
      tiles_[i] = on_stack(memory_element(context, dtype), layout_.tile_side() * layout_.tile_side());
  }
  ir_.CreateCondBr(ir_.CreateICmpSLT(begin, end), start, done);

  ir_.SetInsertPoint(start);
  Values params;
  for (size_t p = 0; p < kernel_.params.size(); ++p)
    params.push_back(ir_.CreateLoad(ir_.getPtrTy(), ir_.CreateConstGEP1_64(ir_.getPtrTy(), function_.getArg(0), p)));
  if (kernel_.is_parametric()) {
    Value* sizes = ir_.CreateLoad(ir_.getPtrTy(),
                                  ir_.CreateConstGEP1_64(ir_.getPtrTy(), function_.getArg(0), kernel_.params.size()));
    for (int k = 0; k < kernel_.size_params; ++k)
      sizes_.push_back(ir_.CreateLoad(i64(), ir_.CreateConstGEP1_64(i64(), sizes, k)));
    for (size_t i = 0; i < kernel_.body.size(); ++i) {
      if (kernel_.body[i].size < 0) continue;
      uniform_[i] = size_constant(kernel_.body[i]);
      spread_[i] = splat(code_, uniform_[i], layout_.lanes);
    }
  }
  linear_[0] = number(0);
  for (size_t i = 0; i < kernel_.body.size(); ++i) {
    const Instr& in = kernel_.body[i];
    if (in.kind == InstrKind::Index) bases_[0][i] = amount(in.offset);
    if (in.param >= 0)
      bases_[0][i] = ir_.CreateGEP(memory_element(context, in.dtype), params[in.param], amount(in.offset));
  }
  enter(0, {});
  emit_level(0, 0);
  if (in_rows())
    every_row(begin, end);
  else
    every_point(begin, end);
  ir_.CreateBr(done);

  ir_.SetInsertPoint(done);
  if (layout_.has_streams()) emit_stream_end(code_);
  ir_.CreateRet(number(0));
  ir_.SetInsertPoint(fail);
  ir_.CreateRet(number(1));
}

LoopEmitter::Values LoopEmitter::loop(Value* begin, Value* end, int64_t step, Values carried,
                                      const std::function<Values(Value*, Values)>& body) {
  auto *first = llvm::dyn_cast<llvm::ConstantInt>(begin), *limit = llvm::dyn_cast<llvm::ConstantInt>(end);
  if (first && limit && first->getSExtValue() + step >= limit->getSExtValue()) return body(begin, carried);
  return loop(begin, end, number(step), std::move(carried), body);
}

LoopEmitter::Values LoopEmitter::loop(Value* begin, Value* end, Value* step, Values carried,
                                      const std::function<Values(Value*, Values)>& body) {
  BasicBlock* before = ir_.GetInsertBlock();
  auto* head = BasicBlock::Create(ir_.getContext(), "loop", &function_);
  auto* after = BasicBlock::Create(ir_.getContext(), "after", &function_);
  ir_.CreateBr(head);
  ir_.SetInsertPoint(head);
  llvm::PHINode* position = ir_.CreatePHI(i64(), 2);
  position->addIncoming(begin, before);
  std::vector<llvm::PHINode*> phis;
  Values inside;
  for (Value* value : carried) {
    phis.push_back(ir_.CreatePHI(value->getType(), 2));
    phis.back()->addIncoming(value, before);
    inside.push_back(phis.back());
  }
  const Values results = body(position, inside);
  Value* next = ir_.CreateAdd(position, step);
  position->addIncoming(next, ir_.GetInsertBlock());
  for (size_t k = 0; k < phis.size(); ++k) phis[k]->addIncoming(results[k], ir_.GetInsertBlock());
  ir_.CreateCondBr(ir_.CreateICmpSLT(next, end), head, after);
  ir_.SetInsertPoint(after);
  return results;
}

LoopEmitter::Values LoopEmitter::loop_or_not(Value* begin, Value* end, Value* step, Values carried,
                                             const std::function<Values(Value*, Values)>& body) {
  BasicBlock* before = ir_.GetInsertBlock();
  auto* some = BasicBlock::Create(ir_.getContext(), "some", &function_);
  auto* after = BasicBlock::Create(ir_.getContext(), "none", &function_);
  ir_.CreateCondBr(ir_.CreateICmpSLT(begin, end), some, after);
  ir_.SetInsertPoint(some);
  const Values results = loop(begin, end, step, carried, body);
  BasicBlock* last = ir_.GetInsertBlock();
  ir_.CreateBr(after);
  ir_.SetInsertPoint(after);
  Values merged;
  for (size_t k = 0; k < carried.size(); ++k) {
    llvm::PHINode* phi = ir_.CreatePHI(carried[k]->getType(), 2);
    phi->addIncoming(carried[k], before);
    phi->addIncoming(results[k], last);
    merged.push_back(phi);
  }
  return merged;
}

void LoopEmitter::while_left(Values carried, const std::function<Values(Values)>& body) {
  BasicBlock* before = ir_.GetInsertBlock();
  auto* head = BasicBlock::Create(ir_.getContext(), "stretch", &function_);
  auto* after = BasicBlock::Create(ir_.getContext(), "all", &function_);
  ir_.CreateBr(head);
  ir_.SetInsertPoint(head);
  std::vector<llvm::PHINode*> phis;
  for (Value* value : carried) {
    phis.push_back(ir_.CreatePHI(value->getType(), 2));
    phis.back()->addIncoming(value, before);
  }
  const Values next = body(Values(phis.begin(), phis.end()));
  for (size_t k = 0; k < phis.size(); ++k) phis[k]->addIncoming(next[k], ir_.GetInsertBlock());
  ir_.CreateCondBr(ir_.CreateICmpSGT(next.back(), number(0)), head, after);
  ir_.SetInsertPoint(after);
}

Value* LoopEmitter::while_fits(Value* begin, Value* end, int64_t step, int64_t needs,
                               const std::function<void(Value*)>& body) {
  BasicBlock* before = ir_.GetInsertBlock();
  auto* head = BasicBlock::Create(ir_.getContext(), "lanes", &function_);
  auto* inside = BasicBlock::Create(ir_.getContext(), "fits", &function_);
  auto* after = BasicBlock::Create(ir_.getContext(), "rest", &function_);
  ir_.CreateBr(head);
  ir_.SetInsertPoint(head);
  llvm::PHINode* position = ir_.CreatePHI(i64(), 2);
  position->addIncoming(begin, before);
  ir_.CreateCondBr(ir_.CreateICmpSLE(ir_.CreateAdd(position, number(needs)), end), inside, after);
  ir_.SetInsertPoint(inside);
  body(position);
  position->addIncoming(ir_.CreateAdd(position, number(step)), ir_.GetInsertBlock());
  ir_.CreateBr(head);
  ir_.SetInsertPoint(after);
  return position;
}

llvm::Function* add_loops(llvm::Module& module, const Kernel& kernel, const std::string& name, const Isa& isa,
                          bool fast_math) {
  llvm::IRBuilder<> ir(module.getContext());
  ir.setFastMathFlags(float_flags(fast_math));
  llvm::Type *i64 = ir.getInt64Ty(), *pointer = ir.getPtrTy();
  llvm::Function* function = add_function(module, name, isa, {pointer, i64, i64}, i64);
  Code code{ir, isa, fast_math};
  LoopEmitter(code, LoopLayout(kernel, isa), *function).run();
  return function;
}

}  // namespace braze::cpu
