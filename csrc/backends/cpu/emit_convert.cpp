// Conversions. Half types are rounded by integer arithmetic where hardware would not do exactly what eager does.
#include "emit_convert.h"

#include "emit_elementwise.h"

#include "llvm/IR/IntrinsicsX86.h"

namespace braze::cpu {
namespace {

using llvm::Value;

bool is_half(DType dtype) { return info(dtype).kind == DTypeKind::Half; }

/// What NaN becomes: x86's own, so that an instruction can put it there.
constexpr int64_t kBfloatNan = 0xffc0;

/// `rounded`, or a NaN where `value` is one, whose bits rounding may have carried to anything.
Value* keep_nan(Code& code, Value* value, Value* rounded) {
  auto& ir = code.ir;
  if (!code.isa.avx512 || lanes_of(value) != 16)
    return ir.CreateSelect(is_nan(code, value), integer(rounded->getType(), kBfloatNan << 16), rounded);
  constexpr int kNanToNan = 0x33, kAllLanes = 0xffff, kNoExceptions = 8;  // of quiet and of signalling ones
  Value* fixed =
      ir.CreateIntrinsic(llvm::Intrinsic::x86_avx512_mask_fixupimm_ps_512, {},
                         {ir.CreateBitCast(rounded, value->getType()), value, integer(rounded->getType(), kNanToNan),
                          ir.getInt32(0), ir.getInt16(static_cast<uint16_t>(kAllLanes)), ir.getInt32(kNoExceptions)});
  return ir.CreateBitCast(fixed, rounded->getType());
}

/// f32 lanes whose upper halves are those of `value` rounded to nearest even; the lower ones are to be thrown away.
/// (vcvtneps2bf16 would flush denormals.)
Value* round_upper_half(Code& code, Value* value) {
  auto& ir = code.ir;
  llvm::Type* i32 = like(value->getType(), ir.getInt32Ty());
  Value* bits = ir.CreateBitCast(value, i32);
  Value* sum = ir.CreateAdd(bits, integer(i32, 0x7fff));
  if (code.isa.avx512) {
    Value* odd = ir.CreateIsNotNull(ir.CreateAnd(bits, integer(i32, 0x10000)));
    sum = ir.CreateSelect(odd, ir.CreateAdd(sum, integer(i32, 1)), sum);
  } else {
    sum = ir.CreateAdd(sum, ir.CreateAnd(ir.CreateLShr(bits, integer(i32, 16)), integer(i32, 1)));
  }
  return sum;
}

Value* upper_half(Code& code, Value* bits) {
  return code.ir.CreateTrunc(code.ir.CreateLShr(bits, 16), like(bits->getType(), code.ir.getInt16Ty()));
}

Value* bfloat_bits(Code& code, Value* value) {
  return upper_half(code, keep_nan(code, value, round_upper_half(code, value)));
}

/// The same without leaving the registers of f32.
Value* round_to_bfloat(Code& code, Value* value) {
  auto& ir = code.ir;
  Value* sum = round_upper_half(code, value);
  Value* bits = keep_nan(code, value, ir.CreateAnd(sum, integer(sum->getType(), 0xffff0000)));
  Value* rounded = ir.CreateBitCast(bits, value->getType());
  code.half_bits[rounded] = {DType::bf16, upper_half(code, bits)};
  return rounded;
}

Value* bfloat_value(Code& code, Value* bits) {
  auto& ir = code.ir;
  llvm::Type* i32 = like(bits->getType(), ir.getInt32Ty());
  Value* wide = ir.CreateShl(ir.CreateZExt(bits, i32), integer(i32, 16));
  return ir.CreateBitCast(wide, like(i32, ir.getFloatTy()));
}

/// f16 without instructions for it: normal numbers by moving bits, denormal ones by adding a number whose last bit is
/// theirs.
Value* soft_half_bits(Code& code, Value* value) {
  auto& ir = code.ir;
  llvm::Type *i32 = like(value->getType(), ir.getInt32Ty()), *f32 = value->getType();
  Value* bits = ir.CreateBitCast(value, i32);
  Value* sign = ir.CreateAnd(ir.CreateLShr(bits, integer(i32, 16)), integer(i32, 0x8000));
  Value* magnitude = ir.CreateAnd(bits, integer(i32, 0x7fffffff));
  Value* small = ir.CreateFAdd(ir.CreateBitCast(magnitude, f32), real(f32, 0.5));
  Value* denormal = ir.CreateSub(ir.CreateBitCast(small, i32), integer(i32, 0x3f000000));
  Value* odd = ir.CreateAnd(ir.CreateLShr(magnitude, integer(i32, 13)), integer(i32, 1));
  Value* normal =
      ir.CreateLShr(ir.CreateAdd(magnitude, ir.CreateAdd(odd, integer(i32, 0xfff - (112 << 23)))), integer(i32, 13));
  Value* finite = ir.CreateSelect(ir.CreateICmpULT(magnitude, integer(i32, 113 << 23)), denormal, normal);
  Value* huge = ir.CreateICmpUGE(magnitude, integer(i32, 0x477ff000));  // 65520 and above round to infinity
  Value* special = ir.CreateSelect(is_nan(code, value), integer(i32, 0x7e00), integer(i32, 0x7c00));
  return ir.CreateTrunc(ir.CreateOr(sign, ir.CreateSelect(huge, special, finite)), like(i32, ir.getInt16Ty()));
}

Value* soft_half_value(Code& code, Value* bits) {
  auto& ir = code.ir;
  llvm::Type *i32 = like(bits->getType(), ir.getInt32Ty()), *f32 = like(i32, ir.getFloatTy());
  Value* wide = ir.CreateZExt(bits, i32);
  Value* sign = ir.CreateShl(ir.CreateAnd(wide, integer(i32, 0x8000)), integer(i32, 16));
  Value* shifted = ir.CreateShl(ir.CreateAnd(wide, integer(i32, 0x7fff)), integer(i32, 13));
  Value* finite = ir.CreateBitCast(ir.CreateFMul(ir.CreateBitCast(shifted, f32), real(f32, 0x1p112)), i32);
  Value* special = ir.CreateOr(shifted, integer(i32, 0x7f800000));
  Value* is_special = ir.CreateICmpUGE(shifted, integer(i32, 0x7c00 << 13));
  return ir.CreateBitCast(ir.CreateOr(sign, ir.CreateSelect(is_special, special, finite)), f32);
}

Value* half_bits(Code& code, Value* value, DType half) {
  auto& ir = code.ir;
  if (auto known = code.half_bits.find(value); known != code.half_bits.end() && known->second.first == half)
    return known->second.second;
  if (half == DType::bf16) return bfloat_bits(code, value);
  if (!code.isa.half_conversions) return soft_half_bits(code, value);
  Value* narrow = ir.CreateFPTrunc(value, like(value->getType(), ir.getHalfTy()));
  return ir.CreateBitCast(narrow, like(value->getType(), ir.getInt16Ty()));
}

Value* hard_half_value(Code& code, Value* bits) {
  auto& ir = code.ir;
  Value* narrow = ir.CreateBitCast(bits, like(bits->getType(), ir.getHalfTy()));
  return ir.CreateFPExt(narrow, like(bits->getType(), ir.getFloatTy()));
}

Value* half_value(Code& code, Value* bits, DType half) {
  Value* value = half == DType::bf16         ? bfloat_value(code, bits)
                 : code.isa.half_conversions ? hard_half_value(code, bits)
                                             : soft_half_value(code, bits);
  if (!llvm::isa<llvm::Constant>(value)) code.half_bits[value] = {half, bits};
  return value;
}

/// Truncates towards zero. Out of range is poison to LLVM; frozen, it is what the machine's conversion gives, as in
/// eager.
Value* float_to_int(Code& code, Value* value, DType to) {
  auto& ir = code.ir;
  const bool wide = to == DType::i64 || to == DType::u8;  // eager converts to u8 by way of i64
  llvm::Type* through = like(value->getType(), wide ? ir.getInt64Ty() : ir.getInt32Ty());
  Value* whole = ir.CreateFreeze(ir.CreateFPToSI(value, through));
  return ir.CreateTrunc(whole, like(value->getType(), register_element(ir.getContext(), to)));
}

Value* to_float(Code& code, Value* value, DType from, llvm::Type* type) {
  auto& ir = code.ir;
  if (is_floating(from)) return ir.CreateFPCast(value, type);
  return from == DType::b1 || from == DType::u8 ? ir.CreateUIToFP(value, type) : ir.CreateSIToFP(value, type);
}

}  // namespace

Value* round_to_half(Code& code, Value* value, DType half) {
  const bool constant = llvm::isa<llvm::Constant>(value), known = code.half_bits.contains(value);
  if (half == DType::bf16 && !constant && !known) return round_to_bfloat(code, value);
  return half_value(code, half_bits(code, value, half), half);
}

Value* emit_convert(Code& code, Value* value, DType from, DType to) {
  auto& ir = code.ir;
  if (from == to) return value;
  llvm::Type* type = like(value->getType(), register_element(ir.getContext(), to));
  if (to == DType::b1)
    return is_floating(from) ? ir.CreateFCmpUNE(value, real(value->getType(), 0)) : ir.CreateIsNotNull(value);
  if (is_half(to)) return round_to_half(code, to_float(code, value, from, type), to);
  if (is_floating(to)) return to_float(code, value, from, type);
  if (is_floating(from)) return float_to_int(code, value, to);
  return from == DType::b1 || from == DType::u8 ? ir.CreateZExtOrTrunc(value, type) : ir.CreateSExtOrTrunc(value, type);
}

Value* from_memory(Code& code, Value* bits, DType dtype) {
  if (dtype == DType::b1) return code.ir.CreateIsNotNull(bits);
  return is_half(dtype) ? half_value(code, bits, dtype) : bits;
}

Value* to_memory(Code& code, Value* value, DType dtype) {
  if (dtype == DType::b1) return code.ir.CreateZExt(value, like(value->getType(), code.ir.getInt8Ty()));
  return is_half(dtype) ? half_bits(code, value, dtype) : value;
}

}  // namespace braze::cpu
