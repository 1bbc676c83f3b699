// Elementwise primitives, one small function a spelling; spelling.def says which op uses which.
#include "emit_elementwise.h"

#include <array>

#include "emit_convert.h"
#include "emit_math.h"
#include "support/error.h"

namespace braze::cpu {
namespace {

using llvm::Value;
using llvm::Intrinsic::ID;

using Spelling = Value* (*)(Code&, const Operation&);

bool is_signed(DType dtype) { return dtype != DType::u8 && dtype != DType::b1; }

Value* a(const Operation& o) { return o.args[0]; }
Value* b(const Operation& o) { return o.args[1]; }

#define BINARY_SPELLING(name, builder) \
  Value* name(Code& code, const Operation& o) { return code.ir.builder(a(o), b(o)); }
BINARY_SPELLING(float_add, CreateFAdd)
BINARY_SPELLING(float_sub, CreateFSub)
BINARY_SPELLING(float_mul, CreateFMul)
BINARY_SPELLING(float_div, CreateFDiv)
BINARY_SPELLING(int_add, CreateAdd)
BINARY_SPELLING(int_sub, CreateSub)
BINARY_SPELLING(int_mul, CreateMul)
BINARY_SPELLING(int_and, CreateAnd)
BINARY_SPELLING(int_or, CreateOr)
BINARY_SPELLING(int_xor, CreateXor)
#undef BINARY_SPELLING

#define INTRINSIC_SPELLING(name, id) \
  Value* name(Code& code, const Operation& o) { return intrinsic(code, llvm::Intrinsic::id, o.args); }
INTRINSIC_SPELLING(float_abs, fabs)
INTRINSIC_SPELLING(float_sqrt, sqrt)
INTRINSIC_SPELLING(float_floor, floor)
INTRINSIC_SPELLING(float_ceil, ceil)
INTRINSIC_SPELLING(float_trunc, trunc)
INTRINSIC_SPELLING(float_copysign, copysign)
INTRINSIC_SPELLING(float_fma, fma)
#undef INTRINSIC_SPELLING

Value* same(Code&, const Operation& o) { return a(o); }
Value* never(Code& code, const Operation& o) {
  return llvm::Constant::getNullValue(like(a(o)->getType(), code.ir.getInt1Ty()));
}
Value* cast(Code& code, const Operation& o) { return emit_convert(code, a(o), o.from, o.dtype); }
Value* math(Code& code, const Operation& o) { return emit_math(code, o.op, o.args); }
Value* where(Code& code, const Operation& o) { return code.ir.CreateSelect(a(o), o.args[1], o.args[2]); }

Value* float_neg(Code& code, const Operation& o) { return code.ir.CreateFNeg(a(o)); }
Value* float_is_nan(Code& code, const Operation& o) { return is_nan(code, a(o)); }
Value* float_round(Code& code, const Operation& o) { return emit_round_even(code, a(o)); }

Value* int_neg(Code& code, const Operation& o) { return code.ir.CreateNeg(a(o)); }
Value* int_not(Code& code, const Operation& o) { return code.ir.CreateNot(a(o)); }

Value* int_abs(Code& code, const Operation& o) {
  if (!is_signed(o.from)) return a(o);
  return code.ir.CreateIntrinsic(llvm::Intrinsic::abs, {a(o)->getType()}, {a(o), code.ir.getFalse()});
}

Value* extremum(Code& code, const Operation& o) {
  return emit_extremum(code, o.op == Op::maximum_, is_signed(o.from), a(o), b(o));
}

/// An exact quotient rounded towards zero by way of a floating type with more bits than the integers have.
Value* quotient_by_float(Code& code, Value* x, Value* y, bool is_signed, llvm::Type* element) {
  auto& ir = code.ir;
  llvm::Type* type = like(x->getType(), element);
  auto widen = [&](Value* v) { return is_signed ? ir.CreateSIToFP(v, type) : ir.CreateUIToFP(v, type); };
  llvm::Type* wide = like(x->getType(), ir.getInt32Ty());
  Value* quotient = ir.CreateFPToSI(ir.CreateFDiv(widen(x), widen(y)), wide);
  return ir.CreateTrunc(quotient, x->getType());
}

Value* int_div(Code& code, const Operation& o) {
  auto& ir = code.ir;
  llvm::Type* type = a(o)->getType();
  Value *zero = integer(type, 0), *one = integer(type, 1), *x = a(o);
  Value* by_zero = ir.CreateICmpEQ(b(o), zero);
  Value* by_minus_one = is_signed(o.from) ? ir.CreateICmpEQ(b(o), integer(type, -1)) : nullptr;
  Value* y = ir.CreateSelect(by_minus_one ? ir.CreateOr(by_zero, by_minus_one) : by_zero, one, b(o));
  Value* quotient;
  switch (type->getScalarSizeInBits()) {
    case 8:
    case 16: quotient = quotient_by_float(code, x, y, is_signed(o.from), ir.getFloatTy()); break;
    case 32: quotient = quotient_by_float(code, x, y, is_signed(o.from), ir.getDoubleTy()); break;
    default: quotient = ir.CreateSDiv(x, y);
  }
  if (by_minus_one) quotient = ir.CreateSelect(by_minus_one, ir.CreateNeg(x), quotient);
  return ir.CreateSelect(by_zero, zero, quotient);
}

Value* int_rem(Code& code, const Operation& o) {
  Value* remainder = code.ir.CreateSub(a(o), code.ir.CreateMul(int_div(code, o), b(o)));
  return code.ir.CreateSelect(code.ir.CreateICmpEQ(b(o), integer(b(o)->getType(), 0)), b(o), remainder);
}

/// By squaring, in a loop that ends when every lane's exponent is used up. A negative exponent gives 0 unless the base
/// is 1 or -1.
Value* int_pow(Code& code, const Operation& o) {
  auto& ir = code.ir;
  llvm::Type* type = a(o)->getType();
  Value *zero = integer(type, 0), *one = integer(type, 1);
  Value* negative = is_signed(o.from) ? ir.CreateICmpSLT(b(o), zero) : never(code, o);
  auto* entry = ir.GetInsertBlock();
  auto* loop = llvm::BasicBlock::Create(ir.getContext(), "power", entry->getParent());
  auto* after = llvm::BasicBlock::Create(ir.getContext(), "powered", entry->getParent());
  Value* start = ir.CreateSelect(negative, ir.CreateAnd(b(o), one), b(o));
  ir.CreateBr(loop);
  ir.SetInsertPoint(loop);
  auto *result = ir.CreatePHI(type, 2), *factor = ir.CreatePHI(type, 2), *exponent = ir.CreatePHI(type, 2);
  result->addIncoming(one, entry);
  factor->addIncoming(a(o), entry);
  exponent->addIncoming(start, entry);
  Value* odd = ir.CreateICmpNE(ir.CreateAnd(exponent, one), zero);
  Value* multiplied = ir.CreateSelect(odd, ir.CreateMul(result, factor), result);
  Value* rest = ir.CreateLShr(exponent, one);
  result->addIncoming(multiplied, loop);
  factor->addIncoming(ir.CreateMul(factor, factor), loop);
  exponent->addIncoming(rest, loop);
  Value* more = lanes_of(type) == 1 ? rest : ir.CreateOrReduce(rest);
  ir.CreateCondBr(ir.CreateIsNotNull(more), loop, after);
  ir.SetInsertPoint(after);
  Value* unit = ir.CreateOr(ir.CreateICmpEQ(a(o), one), ir.CreateICmpEQ(a(o), integer(type, -1)));
  return ir.CreateSelect(ir.CreateAnd(negative, ir.CreateNot(unit)), zero, multiplied);
}

Value* bool_pow(Code& code, const Operation& o) { return code.ir.CreateOr(a(o), code.ir.CreateNot(b(o))); }
Value* bool_shr(Code& code, const Operation& o) { return code.ir.CreateAnd(a(o), code.ir.CreateNot(b(o))); }

Value* int_shl(Code& code, const Operation& o) {
  auto& ir = code.ir;
  llvm::Type* type = a(o)->getType();
  Value* inside = ir.CreateICmpULT(b(o), integer(type, type->getScalarSizeInBits()));
  return ir.CreateSelect(inside, ir.CreateShl(a(o), ir.CreateSelect(inside, b(o), integer(type, 0))), integer(type, 0));
}

Value* int_shr(Code& code, const Operation& o) {
  auto& ir = code.ir;
  llvm::Type* type = a(o)->getType();
  const int64_t bits = type->getScalarSizeInBits();
  Value* inside = ir.CreateICmpULT(b(o), integer(type, bits));
  Value* count = ir.CreateSelect(inside, b(o), integer(type, bits - 1));
  if (is_signed(o.from)) return ir.CreateAShr(a(o), count);
  return ir.CreateSelect(inside, ir.CreateLShr(a(o), count), integer(type, 0));
}

Value* compare(Code& code, const Operation& o) {
  using P = llvm::CmpInst::Predicate;
  const bool floating = is_floating(o.from), with_sign = is_signed(o.from);
  auto pick = [&](P f, P s, P u) { return code.ir.CreateCmp(floating ? f : with_sign ? s : u, a(o), b(o)); };
  switch (o.op) {
    case Op::eq_: return pick(P::FCMP_OEQ, P::ICMP_EQ, P::ICMP_EQ);
    case Op::ne_: return pick(P::FCMP_UNE, P::ICMP_NE, P::ICMP_NE);
    case Op::lt_: return pick(P::FCMP_OLT, P::ICMP_SLT, P::ICMP_ULT);
    case Op::le_: return pick(P::FCMP_OLE, P::ICMP_SLE, P::ICMP_ULE);
    case Op::gt_: return pick(P::FCMP_OGT, P::ICMP_SGT, P::ICMP_UGT);
    default: return pick(P::FCMP_OGE, P::ICMP_SGE, P::ICMP_UGE);
  }
}

constexpr Spelling none = nullptr;

struct Row {
  bool known = false;
  Spelling floating = nullptr, integer = nullptr, boolean = nullptr;
};

constexpr size_t kOps = static_cast<size_t>(Op::extern_) + 1;

constexpr std::array<Row, kOps> make_rows() {
  std::array<Row, kOps> rows{};
#define SPELL(op, floating, integer, boolean) rows[static_cast<size_t>(Op::op##_)] = {true, floating, integer, boolean};
#include "spelling.def"
#undef SPELL
  return rows;
}

constexpr std::array<Row, kOps> kRows = make_rows();

constexpr bool all_spelled() {
  bool all = true;
#define OP(name, arity, cls, properties) \
  all = all && (OpClass::cls != OpClass::Elementwise || kRows[static_cast<size_t>(Op::name##_)].known);
#include "ops/ops.def"
#undef OP
  return all;
}
static_assert(all_spelled(), "an elementwise op of ops.def has no row in spelling.def");

}  // namespace

Value* emit_elementwise(Code& code, const Operation& o) {
  const Row& row = kRows[static_cast<size_t>(o.op)];
  const Spelling spelling = is_floating(o.from) ? row.floating : o.from == DType::b1 ? row.boolean : row.integer;
  check_user(spelling != nullptr,
             std::string(info(o.op).name) + " is not defined on " + std::string(info(o.from).name));
  return spelling(code, o);
}

Value* emit_extremum(Code& code, bool of_max, bool is_signed, Value* x, Value* y) {
  auto& ir = code.ir;
  using P = llvm::CmpInst::Predicate;
  if (!x->getType()->isFPOrFPVectorTy()) {
    const P predicate = of_max ? (is_signed ? P::ICMP_SGT : P::ICMP_UGT) : (is_signed ? P::ICMP_SLT : P::ICMP_ULT);
    return ir.CreateSelect(ir.CreateICmp(predicate, x, y), x, y);
  }
  Value* ordered =
      ir.CreateSelect(ir.CreateFCmp(of_max ? P::FCMP_OGT : P::FCMP_OLT, x, y), x, y);  // y if either is NaN
  return ir.CreateSelect(is_nan(code, x), x, ordered);
}

}  // namespace braze::cpu
