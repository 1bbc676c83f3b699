// What every emitter is handed, and the small words they share. A value's type says how many lanes it has: a scalar
// type means one.
//
// In registers b1 is i1, half types are f32 (always exactly representable in the half type), all else is itself.
#pragma once

#include <cstdint>

#include "llvm/ADT/DenseMap.h"
#include "llvm/IR/IRBuilder.h"
#include "ops/dtype.h"
#include "target.h"

namespace braze::cpu {

struct Code {
  llvm::IRBuilder<>& ir;
  const Isa& isa;
  bool fast_math = false;
  llvm::BasicBlock* fail = nullptr;  // gives up on the call: an index was out of range
  llvm::DenseMap<llvm::Value*, std::pair<DType, llvm::Value*>>
      half_bits{};  // of values known to be a half type's: the type, the bits
};

/// What operations on floats may do: nothing beyond IEEE, or with fast math be contracted.
llvm::FastMathFlags float_flags(bool fast_math);

/// A type of `lanes` elements; the element itself for one lane.
llvm::Type* with_lanes(llvm::Type* element, int lanes);
int lanes_of(llvm::Type* type);
inline int lanes_of(llvm::Value* value) { return lanes_of(value->getType()); }
/// `type` with another element and as many lanes.
llvm::Type* like(llvm::Type* type, llvm::Type* element);

/// The element type a dtype has in registers, and in memory.
llvm::Type* register_element(llvm::LLVMContext& context, DType dtype);
llvm::Type* memory_element(llvm::LLVMContext& context, DType dtype);

llvm::Value* splat(Code& code, llvm::Value* scalar, int lanes);
/// Lanes [start, start + lanes) of a vector; a scalar when lanes is 1.
llvm::Value* slice(Code& code, llvm::Value* vector, int start, int lanes);
/// `lanes` lanes from `start` on; past its end the value is repeated, so that no lane holds something strange.
llvm::Value* window(Code& code, llvm::Value* value, int start, int lanes);
/// The vectors one after the other; all have the same type.
llvm::Value* concatenate(Code& code, llvm::ArrayRef<llvm::Value*> parts);
/// 0, 1, 2, ... in a vector of integers.
llvm::Constant* lane_numbers(llvm::Type* element, int lanes);

inline llvm::Constant* real(llvm::Type* type, double value) { return llvm::ConstantFP::get(type, value); }
inline llvm::Constant* integer(llvm::Type* type, int64_t value) {
  return llvm::ConstantInt::get(type, static_cast<uint64_t>(value), true);
}

/// a * b + c with one rounding where the machine can, else with two.
llvm::Value* fma(Code& code, llvm::Value* a, llvm::Value* b, llvm::Value* c);
llvm::Value* intrinsic(Code& code, llvm::Intrinsic::ID id, llvm::ArrayRef<llvm::Value*> args);
llvm::Value* is_nan(Code& code, llvm::Value* value);
/// Leaves for `code.fail` when any lane of `bad` (b1) is set; emission goes on in a new block.
void fail_if_any(Code& code, llvm::Value* bad);

}  // namespace braze::cpu
