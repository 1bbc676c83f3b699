// Stand-ins for PyTorch's vector functions: the C library's, lane by lane, so that these tests need no PyTorch.
#include <cmath>

#include "compiled_kernel.h"

namespace braze {
namespace {

typedef float F8 __attribute__((vector_size(32)));
typedef float F16 __attribute__((vector_size(64)));
typedef double D4 __attribute__((vector_size(32)));
typedef double D8 __attribute__((vector_size(64)));

#define LANES(Vector, count, expression)                  \
  Vector result;                                          \
  for (int i = 0; i < count; ++i) result[i] = expression; \
  return result;

#define AVX2 __attribute__((target("avx2")))
#define AVX512 __attribute__((target("avx512f")))

#define UNARY_STAND_INS(name)                                                                                       \
  AVX2 F8 name##_f8(F8 x){LANES(F8, 8, std::name(x[i]))} AVX512 F16 name##_f16(F16 x){LANES(                        \
      F16, 16, std::name(x[i]))} AVX2 D4 name##_d4(D4 x){LANES(D4, 4, std::name(x[i]))} AVX512 D8 name##_d8(D8 x) { \
    LANES(D8, 8, std::name(x[i]))                                                                                   \
  }
#define BINARY_STAND_INS(name)                                                              \
  AVX2 F8 name##_f8(F8 x, F8 y){LANES(F8, 8, std::name(x[i], y[i]))} AVX512 F16 name##_f16( \
      F16 x, F16 y){LANES(F16, 16, std::name(x[i], y[i]))} AVX2 D4 name##_d4(D4 x, D4 y){   \
      LANES(D4, 4, std::name(x[i], y[i]))} AVX512 D8 name##_d8(D8 x, D8 y) {                \
    LANES(D8, 8, std::name(x[i], y[i]))                                                     \
  }
#define STAND_INS_1 UNARY_STAND_INS
#define STAND_INS_2 BINARY_STAND_INS
#define EXTERNAL(op, name, arity, f32, f64) STAND_INS_##arity(name)
#include "backends/cpu/externals.def"
#undef EXTERNAL

template <typename Function>
void bind(const std::string& symbol, Function* function) {
  braze_llvm_bind(symbol.c_str(), reinterpret_cast<void*>(function));
}

}  // namespace

void bind_scalar_math() {
#define EXTERNAL(op, name, arity, f32, f64)    \
  bind("Sleef_" #name "f8" #f32, name##_f8);   \
  bind("Sleef_" #name "f16" #f32, name##_f16); \
  bind("Sleef_" #name "d4" #f64, name##_d4);   \
  bind("Sleef_" #name "d8" #f64, name##_d8);
#include "backends/cpu/externals.def"
#undef EXTERNAL
}

}  // namespace braze
