// The small words of the emitters.
#include "code.h"

#include "llvm/IR/DerivedTypes.h"
#include "llvm/IR/Module.h"
#include "support/error.h"

namespace braze::cpu {

using llvm::Value;

llvm::FastMathFlags float_flags(bool fast_math) {
  llvm::FastMathFlags flags;
  flags.setAllowContract(fast_math);
  return flags;
}

llvm::Type* with_lanes(llvm::Type* element, int lanes) {
  return lanes == 1 ? element : llvm::FixedVectorType::get(element, static_cast<unsigned>(lanes));
}

int lanes_of(llvm::Type* type) {
  auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(type);
  return vector ? static_cast<int>(vector->getNumElements()) : 1;
}

llvm::Type* like(llvm::Type* type, llvm::Type* element) { return with_lanes(element, lanes_of(type)); }

llvm::Type* register_element(llvm::LLVMContext& context, DType dtype) {
  switch (dtype) {
    case DType::b1: return llvm::Type::getInt1Ty(context);
    case DType::f16:
    case DType::bf16: return llvm::Type::getFloatTy(context);
    default: return memory_element(context, dtype);
  }
}

llvm::Type* memory_element(llvm::LLVMContext& context, DType dtype) {
  switch (dtype) {
    case DType::b1:
    case DType::u8:
    case DType::i8: return llvm::Type::getInt8Ty(context);
    case DType::i16:
    case DType::f16:
    case DType::bf16: return llvm::Type::getInt16Ty(context);
    case DType::i32: return llvm::Type::getInt32Ty(context);
    case DType::i64: return llvm::Type::getInt64Ty(context);
    case DType::f32: return llvm::Type::getFloatTy(context);
    case DType::f64: return llvm::Type::getDoubleTy(context);
    default: throw Error(Error::Kind::Internal, "no kernel computes with " + std::string(info(dtype).name));
  }
}

Value* splat(Code& code, Value* scalar, int lanes) {
  return lanes == 1 ? scalar : code.ir.CreateVectorSplat(static_cast<unsigned>(lanes), scalar);
}

Value* slice(Code& code, Value* vector, int start, int lanes) {
  if (lanes_of(vector) == lanes) return vector;
  if (lanes == 1) return code.ir.CreateExtractElement(vector, static_cast<uint64_t>(start));
  llvm::SmallVector<int, 64> mask;
  for (int lane = 0; lane < lanes; ++lane) mask.push_back(start + lane);
  return code.ir.CreateShuffleVector(vector, mask);
}

Value* window(Code& code, Value* value, int start, int lanes) {
  const int have = lanes_of(value);
  if (have == 1) return splat(code, value, lanes);
  if (start == 0 && have == lanes) return value;
  llvm::SmallVector<int, 16> mask;
  for (int lane = 0; lane < lanes; ++lane) mask.push_back((start + lane) % have);
  return code.ir.CreateShuffleVector(value, mask);
}

Value* concatenate(Code& code, llvm::ArrayRef<Value*> parts) {
  if (parts.size() == 1) return parts[0];
  const int each = lanes_of(parts[0]);
  const int all = each * static_cast<int>(parts.size());
  if (each == 1) {
    Value* vector = llvm::PoisonValue::get(with_lanes(parts[0]->getType(), all));
    for (int lane = 0; lane < all; ++lane)
      vector = code.ir.CreateInsertElement(vector, parts[lane], static_cast<uint64_t>(lane));
    return vector;
  }
  const size_t half = parts.size() / 2;
  Value* low = concatenate(code, parts.take_front(half));
  Value* high = concatenate(code, parts.drop_front(half));
  llvm::SmallVector<int, 64> mask;
  for (int lane = 0; lane < all; ++lane) mask.push_back(lane);
  return code.ir.CreateShuffleVector(low, high, mask);
}

llvm::Constant* lane_numbers(llvm::Type* element, int lanes) {
  if (lanes == 1) return integer(element, 0);
  llvm::SmallVector<llvm::Constant*, 64> numbers;
  for (int lane = 0; lane < lanes; ++lane) numbers.push_back(integer(element, lane));
  return llvm::ConstantVector::get(numbers);
}

Value* fma(Code& code, Value* a, Value* b, Value* c) {
  if (code.isa.fma) return intrinsic(code, llvm::Intrinsic::fma, {a, b, c});
  return code.ir.CreateFAdd(code.ir.CreateFMul(a, b), c);
}

Value* intrinsic(Code& code, llvm::Intrinsic::ID id, llvm::ArrayRef<Value*> args) {
  return code.ir.CreateIntrinsic(id, {args[0]->getType()}, args);
}

Value* is_nan(Code& code, Value* value) { return code.ir.CreateFCmpUNO(value, value); }

void fail_if_any(Code& code, Value* bad) {
  auto& ir = code.ir;
  const int lanes = lanes_of(bad);
  if (lanes > 1)
    bad = ir.CreateICmpNE(ir.CreateBitCast(bad, ir.getIntNTy(lanes)), llvm::ConstantInt::get(ir.getIntNTy(lanes), 0));
  auto* next = llvm::BasicBlock::Create(ir.getContext(), "inside", ir.GetInsertBlock()->getParent());
  ir.CreateCondBr(bad, code.fail, next);
  ir.SetInsertPoint(next);
}

}  // namespace braze::cpu
