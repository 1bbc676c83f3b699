// Every elementwise primitive on every dtype, and every conversion, against the interpreter.
#include <catch2/catch.hpp>

#include "compiled_kernel.h"
#include "ops/op.h"

namespace braze {
namespace {

constexpr DType kComputed[] = {DType::b1,  DType::u8,  DType::i8,  DType::i16,
                               DType::i32, DType::i64, DType::f32, DType::f64};

std::string name(DType dtype) { return std::string(info(dtype).name); }

bool has_meaning(Op op, DType dtype) {
  switch (op) {
    case Op::not_:
    case Op::and_:
    case Op::or_:
    case Op::xor_:
    case Op::shl_:
    case Op::shr_: return !is_floating(dtype);
    case Op::copysign_:
    case Op::atan2_:
    case Op::hypot_:
    case Op::sqrt_:
    case Op::fma_: return is_floating(dtype);
    case Op::fmod_:
    case Op::pow_: return true;
    default: return is_floating(dtype) || !info(op).has(Costly);
  }
}

/// out = op(in0, in1, ...) over `n` points.
std::string kernel_of(Op op, DType from, DType to, int n) {
  const int arity = info(op).arity;
  std::string params, loads, args;
  for (int k = 0; k < arity; ++k) {
    const std::string type = op == Op::where_ && k == 0 ? "b1" : name(from), number = std::to_string(k);
    params += "p" + number + " " + type + ", ";
    loads += "  %" + number + ": " + type + " = load p" + number + " [1]+0\n";
    args += (k == 0 ? "%" : ", %") + number;
  }
  const std::string out = std::to_string(arity);
  return "kernel parallel=[" + std::to_string(n) + "] reduce=[] vector=0\n  params: " + params + "p" + out + " " +
         name(to) + " out\n" + loads + "  %" + out + ": " + name(to) + " = " + std::string(info(op).name) + " " + args +
         "\n  store p" + out + " [1]+0 %" + out + "\n";
}

}  // namespace

TEST_CASE("every primitive on every dtype") {
  for (int index = 0; index <= static_cast<int>(Op::fma_); ++index) {
    const Op op = static_cast<Op>(index);
    if (info(op).cls != OpClass::Elementwise || op == Op::cast_) continue;
    for (DType dtype : kComputed) {
      if (!has_meaning(op, dtype)) continue;
      const double ulps = info(op).has(Costly) ? 2 : 0;
      const DType result = info(op).has(Compares) ? DType::b1 : dtype;
      CAPTURE(info(op).name, info(dtype).name);
      check_against_interpreter(kernel_of(op, dtype, result, 337), ulps, 0, static_cast<uint32_t>(index));
    }
  }
}

TEST_CASE("every conversion") {
  std::vector<DType> all(std::begin(kComputed), std::end(kComputed));
  all.push_back(DType::f16);
  all.push_back(DType::bf16);
  for (DType from : all)
    for (DType to : all) check_against_interpreter(kernel_of(Op::cast_, from, to, 203));
}

TEST_CASE("an op without a meaning on a dtype is an error, not code") {
  CHECK_THROWS_WITH(CompiledKernel(parse_kernel(kernel_of(Op::exp_, DType::i32, DType::i32, 4))),
                    Catch::Contains("exp is not defined on i32"));
}

}  // namespace braze
