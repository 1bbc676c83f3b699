// Reductions. Every order of merging gives the same result for all but floating sums and products, whose order the
// loops fix.
#include "emit_reduce.h"

#include <cmath>
#include <limits>

#include "emit_elementwise.h"

namespace braze::cpu {
namespace {

using llvm::Value;

bool is_signed(DType dtype) { return dtype != DType::u8 && dtype != DType::b1; }
bool of_max(Op op) { return op == Op::max_ || op == Op::argmax_; }

Value* worst(llvm::Type* type, Op op, DType from) {
  if (type->isFPOrFPVectorTy()) return real(type, of_max(op) ? -INFINITY : INFINITY);
  const unsigned bits = type->getScalarSizeInBits();
  if (!is_signed(from)) return of_max(op) ? llvm::Constant::getNullValue(type) : llvm::Constant::getAllOnesValue(type);
  return llvm::ConstantInt::get(
      type, of_max(op) ? llvm::APInt::getSignedMinValue(bits) : llvm::APInt::getSignedMaxValue(bits));
}

/// Whether `value` beats `best`: better, or NaN where best is not.
Value* beats(Code& code, Op op, DType from, Value* value, Value* best) {
  using P = llvm::CmpInst::Predicate;
  auto& ir = code.ir;
  if (!is_floating(from)) {
    const P greater = is_signed(from) ? P::ICMP_SGT : P::ICMP_UGT, less = is_signed(from) ? P::ICMP_SLT : P::ICMP_ULT;
    return ir.CreateICmp(of_max(op) ? greater : less, value, best);
  }
  Value* better = ir.CreateFCmp(of_max(op) ? P::FCMP_OGT : P::FCMP_OLT, value, best);
  Value* first_nan = ir.CreateAnd(is_nan(code, value), ir.CreateFCmpORD(best, best));
  return ir.CreateOr(better, first_nan);
}

Value* combine(Code& code, Op op, DType from, Value* a, Value* b) {
  auto& ir = code.ir;
  switch (op) {
    case Op::dot_:
    case Op::sum_:
      return is_floating(from) ? ir.CreateFAdd(a, b) : from == DType::b1 ? ir.CreateOr(a, b) : ir.CreateAdd(a, b);
    case Op::prod_: return is_floating(from) ? ir.CreateFMul(a, b) : ir.CreateMul(a, b);
    case Op::any_: return ir.CreateOr(a, b);
    case Op::all_: return ir.CreateAnd(a, b);
    default: return emit_extremum(code, of_max(op), is_signed(from), a, b);
  }
}

}  // namespace

Accumulator Reducer::identity(Code& code, int lanes) const {
  llvm::Type* type = with_lanes(register_element(code.ir.getContext(), from), lanes);
  const bool floating = is_floating(from);
  switch (op) {
    case Op::dot_:
    case Op::sum_:
    case Op::any_: return {llvm::Constant::getNullValue(type)};
    case Op::prod_: return {floating ? real(type, 1) : integer(type, 1)};
    case Op::all_: return {llvm::Constant::getAllOnesValue(type)};
    case Op::min_:
    case Op::max_: return {worst(type, op, from)};
    default: {
      llvm::Type* positions = with_lanes(position_element(code), lanes);
      const int64_t last = wide_positions ? std::numeric_limits<int64_t>::max() : std::numeric_limits<int32_t>::max();
      return {worst(type, op, from), integer(positions, last)};
    }
  }
}

Accumulator Reducer::add(Code& code, const Accumulator& accumulator, Value* value, Value* position, Value* mask) const {
  auto& ir = code.ir;
  if (!has_position()) {
    Value* added = combine(code, op, from, accumulator[0], value);
    return {mask ? ir.CreateSelect(mask, added, accumulator[0]) : added};
  }
  return merge(code, accumulator,
               {mask ? ir.CreateSelect(mask, value, identity(code, lanes_of(value))[0]) : value,
                mask ? ir.CreateSelect(mask, position, identity(code, lanes_of(value))[1]) : position});
}

Accumulator Reducer::merge(Code& code, const Accumulator& a, const Accumulator& b) const {
  auto& ir = code.ir;
  if (!has_position()) return {combine(code, op, from, a[0], b[0])};
  Value* wins = beats(code, op, from, b[0], a[0]);
  Value* loses = beats(code, op, from, a[0], b[0]);
  Value* takes = ir.CreateOr(wins, ir.CreateAnd(ir.CreateNot(loses), ir.CreateICmpSLT(b[1], a[1])));
  return {ir.CreateSelect(takes, b[0], a[0]), ir.CreateSelect(takes, b[1], a[1])};
}

Accumulator Reducer::across(Code& code, Accumulator accumulator) const {
  for (int lanes = lanes_of(accumulator[0]); lanes > 1; lanes /= 2) {
    Accumulator low, high;
    for (Value* part : accumulator) {
      low.push_back(slice(code, part, 0, lanes / 2));
      high.push_back(slice(code, part, lanes / 2, lanes / 2));
    }
    accumulator = merge(code, low, high);
  }
  return accumulator;
}

Value* Reducer::result(Code& code, const Accumulator& accumulator) const {
  if (!has_position()) return accumulator[0];
  return code.ir.CreateSExt(accumulator[1], like(accumulator[1]->getType(), code.ir.getInt64Ty()));
}

}  // namespace braze::cpu
