// Own f32 polynomials for the functions fused kernels are full of, each within 2 ulp everywhere (most within 1); the
// rest are calls.
//
// n, r: whole and remaining part of a logarithm base 2; e, m: exponent and mantissa. Coefficients:
// kernels/cpu/polynomials.def.
#include "emit_math.h"

#include <cmath>
#include <iterator>

#include "externals.h"
#include "llvm/IR/IntrinsicsX86.h"

namespace braze::cpu {
namespace {

using llvm::Value;
using P = llvm::CmpInst::Predicate;

/// `pieces` polynomials around n * step, coefficient by coefficient: all constants, then all linear coefficients, ...
struct Table {
  double step;
  int pieces, degree;
  double slope_low;  // belongs to every linear coefficient
  const double* coefficients;
};

#define POLYNOMIAL(name, ...) constexpr double name[] = {__VA_ARGS__};
#define TABLE(name, step, pieces, slope_low, ...)                                                            \
  constexpr double name##_numbers[] = {__VA_ARGS__};                                                         \
  constexpr Table name = {step, pieces, static_cast<int>(std::size(name##_numbers)) / pieces - 1, slope_low, \
                          name##_numbers};
#include "polynomials.def"
#undef POLYNOMIAL
#undef TABLE

constexpr double kLog2E = 0x1.715476p+0, kLn2High = 0x1.62e4p-1,
                 kLn2Low = 0x1.7f7d1cp-20;  // kLn2High * n is exact for |n| < 512
constexpr double kBig = 0x1.8p23 + 254;     // its last bit is 1, so what is added to it becomes whole

/// A writer of f32 arithmetic on values of one type.
struct Writer {
  Writer(Code& code, Value* like_this)
      : code(code), ir(code.ir), f32(like_this->getType()), i32(like(f32, code.ir.getInt32Ty())) {}

  Value* number(double x) { return real(f32, x); }
  Value* add(Value* a, Value* b) { return ir.CreateFAdd(a, b); }
  Value* sub(Value* a, Value* b) { return ir.CreateFSub(a, b); }
  Value* mul(Value* a, Value* b) { return ir.CreateFMul(a, b); }
  Value* div(Value* a, Value* b) { return ir.CreateFDiv(a, b); }
  Value* muladd(Value* a, Value* b, Value* c) { return fma(code, a, b, c); }
  Value* abs(Value* x) { return intrinsic(code, llvm::Intrinsic::fabs, {x}); }
  Value* with_sign_of(Value* x, Value* sign) { return intrinsic(code, llvm::Intrinsic::copysign, {x, sign}); }
  Value* bits(Value* x) { return ir.CreateBitCast(x, i32); }
  Value* from_bits(Value* x) { return ir.CreateBitCast(x, f32); }
  Value* whole(int64_t n) { return integer(i32, n); }
  Value* when(P predicate, Value* a, Value* b, Value* yes, Value* no) {
    return ir.CreateSelect(ir.CreateFCmp(predicate, a, b), yes, no);
  }
  /// min and max that let NaN through.
  Value* at_most(Value* x, double limit) { return when(P::FCMP_OGT, x, number(limit), number(limit), x); }
  Value* at_least(Value* x, double limit) { return when(P::FCMP_OLT, x, number(limit), number(limit), x); }

  template <size_t N>
  Value* polynomial(const double (&coefficients)[N], Value* x) {
    Value* sum = number(coefficients[N - 1]);
    for (size_t k = N - 1; k-- > 0;) sum = muladd(sum, x, number(coefficients[k]));
    return sum;
  }

  /// The nearest integer to x * factor, below 2^21, and in the low bits of `raw` that integer and twice the bias of an
  /// exponent.
  Value* nearest(Value* x, double factor, Value** raw) {
    Value* big = number(kBig);
    Value* shifted = factor == 1 ? add(x, big) : muladd(x, number(factor), big);
    *raw = bits(shifted);
    return sub(shifted, big);
  }

  /// y * 2^n for whole n in [-300, 300] and y near 1, rounded once; 0 where `mask` is not set. n and `raw` as `nearest`
  /// leaves them.
  Value* scale(Value* y, Value* n, Value* raw, Value* mask) {
    Value* zero = llvm::Constant::getNullValue(f32);
    if (code.isa.avx512 && lanes_of(f32) == 16)
      return ir.CreateIntrinsic(llvm::Intrinsic::x86_avx512_mask_scalef_ps_512, {},
                                {y, n, zero, ir.CreateBitCast(mask, ir.getInt16Ty()), ir.getInt32(4)});
    Value* half = ir.CreateLShr(raw, whole(1));  // each has the bias once, and nothing else in the bits of an exponent
    Value* rest = ir.CreateSub(raw, half);
    return ir.CreateSelect(mask, mul(mul(y, as_exponent(half)), as_exponent(rest)), zero);
  }

  /// 2^n for n in [-126, 127]; `biased` has n + 127 in its low bits.
  Value* as_exponent(Value* biased) { return from_bits(ir.CreateShl(biased, whole(23))); }
  /// The same from what `nearest` leaves, for 2^(n + more).
  Value* power_of_two(Value* raw, int more = 0) { return as_exponent(ir.CreateAdd(raw, whole(more - 127))); }

  /// n and r with x = n ln(2) + r.
  Value* reduce(Value* x, Value** raw, Value** r) {
    Value* n = nearest(x, kLog2E, raw);
    *r = muladd(n, number(-kLn2Low), muladd(n, number(-kLn2High), x));
    return n;
  }

  /// exp(r) for r as `reduce` leaves it.
  Value* exp_near_0(Value* r) {
    Value* slope = muladd(polynomial(exp_rest, r), r, number(1));
    return muladd(slope, r, number(1));
  }

  Value* all_lanes() { return llvm::Constant::getAllOnesValue(like(f32, ir.getInt1Ty())); }

  Code& code;
  llvm::IRBuilder<>& ir;
  llvm::Type *f32, *i32;
};

/// exp(r) 2^n. Where the result has long been infinity x is bounded; where it is 0, as at all -inf of a mask, something
/// else is computed and thrown away, because a result that underflows takes the processor long.
Value* emit_exp(Code& code, Value* x) {
  Writer w(code, x);
  Value *raw, *r;
  Value* remains = w.ir.CreateFCmpUGE(x, w.number(-104));
  Value* n = w.reduce(w.ir.CreateSelect(remains, w.at_most(x, 100), w.number(0)), &raw, &r);
  return w.scale(w.exp_near_0(r), n, raw, remains);
}

Value* emit_exp2(Code& code, Value* x) {
  Writer w(code, x);
  Value *raw, *bounded = w.at_least(w.at_most(x, 140), -170);
  Value* n = w.nearest(bounded, 1, &raw);
  return w.scale(w.polynomial(exp2_of, w.sub(bounded, n)), n, raw, w.all_lanes());
}

/// 2^n (exp(r) - 1) + (2^n - 1), by halves so that 2^128 does not overflow before its time.
Value* emit_expm1(Code& code, Value* x) {
  Writer w(code, x);
  Value *raw, *r;
  w.reduce(w.at_least(w.at_most(x, 89), -40), &raw, &r);
  Value* rest = w.muladd(w.mul(r, r), w.polynomial(expm1_rest, r), r);
  Value* half_power = w.power_of_two(raw, -1);
  Value* half = w.muladd(rest, half_power, w.sub(half_power, w.number(0.5)));
  return w.when(P::FCMP_OLT, w.abs(x), w.number(0x1p-24), x, w.add(half, half));  // keeps -0 and denormals
}

/// log(2^e (1 + f)) from e and f with 1 + f in about [sqrt(1/2), sqrt(2)].
Value* log_from_parts(Writer& w, Value* e, Value* f) {
  Value* square = w.mul(f, f);
  Value* rest = w.muladd(w.mul(square, f), w.polynomial(log_rest, f), w.mul(square, w.number(-0.5)));
  Value* low = w.muladd(e, w.number(kLn2Low), rest);
  return w.muladd(e, w.number(kLn2High), w.add(f, low));
}

/// e and 1 + f of a positive normal number, by moving the cut between exponents to sqrt(1/2).
Value* split_exponent(Writer& w, Value* x, Value** m) {
  Value* moved = w.ir.CreateSub(w.bits(x), w.whole(0x3f3504f3));
  Value* e = w.ir.CreateAShr(moved, w.whole(23));
  *m = w.from_bits(w.ir.CreateSub(w.bits(x), w.ir.CreateShl(e, w.whole(23))));
  return e;
}

/// The logarithm's values where there is no logarithm: below 0, at 0, infinity and NaN. x: the argument, one less for
/// log1p.
Value* log_at_the_ends(Writer& w, Value* x, double zero, Value* inside) {
  Value* lower = w.when(P::FCMP_OEQ, x, w.number(zero), w.number(-INFINITY), w.number(NAN));
  Value* above = w.when(P::FCMP_OLT, x, w.number(INFINITY), inside, x);
  return w.when(P::FCMP_OLE, x, w.number(zero), lower, w.ir.CreateSelect(is_nan(w.code, x), x, above));
}

Value* emit_log(Code& code, Value* x) {
  Writer w(code, x);
  Value* tiny = w.ir.CreateFCmpOLT(x, w.number(0x1p-126));
  Value* normal = w.ir.CreateSelect(tiny, w.mul(x, w.number(0x1p23)), x);
  Value *m, *exponent = split_exponent(w, normal, &m);
  Value* e = w.ir.CreateSIToFP(exponent, w.f32);
  e = w.ir.CreateSelect(tiny, w.sub(e, w.number(23)), e);
  return log_at_the_ends(w, x, 0, log_from_parts(w, e, w.sub(m, w.number(1))));
}

/// log of u = 1 + x rounded, with what the rounding lost added to f.
Value* emit_log1p(Code& code, Value* x) {
  Writer w(code, x);
  Value* u = w.add(x, w.number(1));
  Value* lost_small = w.sub(x, w.sub(u, w.number(1)));
  Value* lost_large = w.sub(w.number(1), w.sub(u, x));
  Value* lost = w.when(P::FCMP_OGT, x, w.number(1), lost_large, lost_small);
  Value *m, *e = split_exponent(w, u, &m);
  Value* unscale = w.from_bits(w.ir.CreateSub(w.whole(0x3f800000), w.ir.CreateShl(e, w.whole(23))));
  Value* f = w.muladd(lost, w.ir.CreateSelect(w.ir.CreateICmpSLT(e, w.whole(100)), unscale, w.number(0)),
                      w.sub(m, w.number(1)));
  Value* inside = log_from_parts(w, w.ir.CreateSIToFP(e, w.f32), f);
  Value* ends = log_at_the_ends(w, x, -1, inside);
  return w.when(P::FCMP_OLT, w.abs(x), w.number(0x1p-24), x, ends);
}

/// Whether 16 or 32 floats can be looked up in registers.
bool has_tables(Code& code) { return code.isa.avx512; }

/// Coefficient `degree` of the piece each lane is in.
Value* look_up(Writer& w, const Table& table, int degree, Value* piece) {
  llvm::SmallVector<llvm::Constant*, 32> entries;
  for (int n = 0; n < table.pieces; ++n)
    entries.push_back(real(w.ir.getFloatTy(), table.coefficients[degree * table.pieces + n]));
  auto all = llvm::ArrayRef(entries);
  Value* low = llvm::ConstantVector::get(all.take_front(16));
  if (table.pieces == 16) return w.ir.CreateIntrinsic(llvm::Intrinsic::x86_avx512_permvar_sf_512, {}, {low, piece});
  return w.ir.CreateIntrinsic(llvm::Intrinsic::x86_avx512_vpermi2var_ps_512, {},
                              {low, piece, llvm::ConstantVector::get(all.drop_front(16))});
}

/// An odd function that goes to 1: a table's polynomials of |x|. Past the middle of the last piece it is 1.
Value* odd_by_table(Code& code, Value* x, const Table& table) {
  const int lanes = lanes_of(x);
  if (lanes != 16) {  // one meaning for all widths: tails must agree with full vectors to the bit
    std::vector<Value*> parts;
    for (int start = 0; start < lanes; start += 16) {
      Value* part = odd_by_table(code, window(code, x, start, 16), table);
      parts.push_back(slice(code, part, 0, std::min(lanes, 16)));
    }
    return concatenate(code, parts);
  }
  Writer w(code, x);
  Value* magnitude = w.at_most(w.abs(x), (table.pieces - 0.51) * table.step);
  Value* big = w.number(0x1p23);
  Value* shifted = w.muladd(magnitude, w.number(1 / table.step), big);  // the piece is in the low bits
  Value* t = w.muladd(w.sub(shifted, big), w.number(-table.step), magnitude);
  Value* sum = look_up(w, table, table.degree, w.bits(shifted));
  for (int k = table.degree; k-- > 1;) sum = w.muladd(sum, t, look_up(w, table, k, w.bits(shifted)));
  Value* constant = look_up(w, table, 0, w.bits(shifted));
  if (table.slope_low != 0) constant = w.muladd(t, w.number(table.slope_low), constant);
  sum = w.muladd(sum, t, constant);
  return w.with_sign_of(sum, x);
}

/// x + x^3 p(x^2) near 0; elsewhere 1 - 2 / (exp(2|x|) + 1).
Value* emit_tanh(Code& code, Value* x) {
  if (has_tables(code)) return odd_by_table(code, x, tanh_pieces);
  Writer w(code, x);
  Value* magnitude = w.abs(x);
  Value* square = w.mul(x, x);
  Value* near = w.muladd(w.mul(square, x), w.polynomial(tanh_rest, square), x);
  Value* bounded = w.at_most(magnitude, 10);
  Value *raw, *r;
  w.reduce(w.add(bounded, bounded), &raw, &r);
  Value* power = w.mul(w.exp_near_0(r), w.power_of_two(raw));
  Value* far = w.sub(w.number(1), w.div(w.number(2), w.add(power, w.number(1))));
  return w.with_sign_of(w.when(P::FCMP_OLT, magnitude, w.number(0.625), near, far), x);
}

/// x + x p(x^2) up to 1; beyond, 1 - 2^q(|x|).
Value* emit_erf(Code& code, Value* x) {
  if (has_tables(code)) return odd_by_table(code, x, erf_pieces);
  Writer w(code, x);
  Value* magnitude = w.abs(x);
  Value* near = w.muladd(x, w.polynomial(erf_rest, w.mul(x, x)), x);
  Value* power = w.polynomial(erfc_log2, w.at_most(magnitude, 4));
  Value* raw;
  Value* r = w.sub(power, w.nearest(power, 1, &raw));
  Value* complement = w.polynomial(exp2_coarse, r);
  complement = w.mul(complement, w.power_of_two(raw));
  Value* far = w.with_sign_of(w.sub(w.number(1), complement), x);
  return w.when(P::FCMP_OLT, magnitude, w.number(1), near, w.ir.CreateSelect(is_nan(code, x), x, far));
}

/// SSE2 has no rounding instruction: adding and taking away a number whose last bit is 1 rounds, and numbers beyond it
/// are whole.
Value* soft_round_even(Code& code, Value* value) {
  auto& ir = code.ir;
  Value* big = real(value->getType(), value->getType()->getScalarType()->isDoubleTy() ? 0x1p52 : 0x1p23);
  Value* magnitude = intrinsic(code, llvm::Intrinsic::fabs, {value});
  Value* rounded = ir.CreateFSub(ir.CreateFAdd(magnitude, big), big);
  Value* with_sign = intrinsic(code, llvm::Intrinsic::copysign, {rounded, value});
  return ir.CreateSelect(ir.CreateFCmpOLT(magnitude, big), with_sign, value);
}

using Polynomial = Value* (*)(Code&, Value*);

Polynomial own_polynomial(Op op) {
  switch (op) {
    case Op::exp_: return emit_exp;
    case Op::exp2_: return emit_exp2;
    case Op::expm1_: return emit_expm1;
    case Op::log_: return emit_log;
    case Op::log1p_: return emit_log1p;
    case Op::tanh_: return emit_tanh;
    case Op::erf_: return emit_erf;
    default: return nullptr;
  }
}

}  // namespace

Value* emit_math(Code& code, Op op, llvm::ArrayRef<Value*> args) {
  Polynomial own = args[0]->getType()->getScalarType()->isFloatTy() ? own_polynomial(op) : nullptr;
  if (!own) return emit_external(code, op, args);
  llvm::IRBuilder<>::FastMathFlagGuard guard(code.ir);
  code.ir.clearFastMathFlags();
  return own(code, args[0]);
}

Value* emit_round_even(Code& code, Value* value) {
  if (code.isa.x86 && !code.isa.avx) return soft_round_even(code, value);
  return intrinsic(code, llvm::Intrinsic::roundeven, {value});
}

}  // namespace braze::cpu
