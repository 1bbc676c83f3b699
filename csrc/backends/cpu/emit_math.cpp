// Own polynomials for the functions that fused kernels are full of; the rest are calls.
#include "emit_math.h"

#include "externals.h"

namespace braze::cpu {

using llvm::Value;

Value* emit_math(Code& code, Op op, llvm::ArrayRef<Value*> args) { return emit_external(code, op, args); }

/// SSE2 has no rounding instruction: adding and taking away a number whose last bit is 1 rounds, and numbers beyond it are whole.
static Value* soft_round_even(Code& code, Value* value) {
  auto& ir = code.ir;
  Value* big = real(value->getType(), value->getType()->getScalarType()->isDoubleTy() ? 0x1p52 : 0x1p23);
  Value* magnitude = intrinsic(code, llvm::Intrinsic::fabs, {value});
  Value* rounded = ir.CreateFSub(ir.CreateFAdd(magnitude, big), big);
  Value* with_sign = intrinsic(code, llvm::Intrinsic::copysign, {rounded, value});
  return ir.CreateSelect(ir.CreateFCmpOLT(magnitude, big), with_sign, value);
}

Value* emit_round_even(Code& code, Value* value) {
  if (code.isa.x86 && !code.isa.avx) return soft_round_even(code, value);
  return intrinsic(code, llvm::Intrinsic::roundeven, {value});
}

}  // namespace braze::cpu
