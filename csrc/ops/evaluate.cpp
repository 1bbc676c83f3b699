// The meaning of the primitives: f32 computes in float, f64 in double, integers in int64 and wrap, half types through
// float.
#include "ops/evaluate.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "support/error.h"

namespace braze {
namespace {

int64_t wrap(DType dtype, uint64_t bits) {
  switch (dtype) {
    case DType::b1: return bits != 0;
    case DType::u8: return static_cast<uint8_t>(bits);
    case DType::i8: return static_cast<int8_t>(bits);
    case DType::i16: return static_cast<int16_t>(bits);
    case DType::i32: return static_cast<int32_t>(bits);
    default: return static_cast<int64_t>(bits);
  }
}

Scalar of_int(DType dtype, uint64_t bits) { return Scalar::of_int(dtype, wrap(dtype, bits)); }

/// What x86's truncating conversion gives: the most negative number when `value` does not fit.
int64_t truncated(DType dtype, double value) {
  const bool wide = dtype == DType::i64 || dtype == DType::u8;
  const double bound = wide ? 0x1p63 : 0x1p31;
  const int64_t lowest = wide ? std::numeric_limits<int64_t>::min() : std::numeric_limits<int32_t>::min();
  return value > -bound - 1 && value < bound ? static_cast<int64_t>(value) : lowest;
}

float float_from_half(uint16_t half) {
  const uint32_t sign = (half & 0x8000u) << 16;
  const int exponent = (half >> 10) & 31;
  const uint32_t mantissa = half & 0x3ff;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  const float magnitude = exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -24)
                                        : std::ldexp(static_cast<float>(mantissa | 0x400), exponent - 25);
  return std::bit_cast<float>(sign | std::bit_cast<uint32_t>(magnitude));
}

uint16_t half_from_float(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000);
  const float magnitude = std::fabs(value);
  if (std::isnan(value)) return sign | 0x7e00;
  if (magnitude >= 65520.0f) return sign | 0x7c00;
  if (magnitude < 0x1p-14f) return sign | static_cast<uint16_t>(std::nearbyint(std::ldexp(magnitude, 24)));
  int exponent = 0;
  const float fraction = std::frexp(magnitude, &exponent);                          // in [0.5, 1)
  const int mantissa = static_cast<int>(std::nearbyint(std::ldexp(fraction, 11)));  // 1024 .. 2048; 2048 carries over
  return static_cast<uint16_t>(sign + ((exponent + 13) << 10) + mantissa);
}

float float_from_bfloat(uint16_t value) { return std::bit_cast<float>(static_cast<uint32_t>(value) << 16); }

uint16_t bfloat_from_float(float value) {
  if (std::isnan(value)) return 0x7fc0;
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

template <typename T>
T power(T base, T exponent) {
  return std::pow(base, exponent);
}

int64_t integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 == 0 ? 1 : -1) : 0;
  uint64_t result = 1, factor = static_cast<uint64_t>(base);
  for (; exponent > 0; exponent >>= 1, factor *= factor)
    if (exponent & 1) result *= factor;
  return static_cast<int64_t>(result);
}

template <typename T>
T unary_float(Op op, T x) {
  switch (op) {
    case Op::neg_: return -x;
    case Op::abs_: return std::fabs(x);
    case Op::sqrt_: return std::sqrt(x);
    case Op::exp_: return std::exp(x);
    case Op::exp2_: return std::exp2(x);
    case Op::expm1_: return std::expm1(x);
    case Op::log_: return std::log(x);
    case Op::log2_: return std::log2(x);
    case Op::log10_: return std::log10(x);
    case Op::log1p_: return std::log1p(x);
    case Op::sin_: return std::sin(x);
    case Op::cos_: return std::cos(x);
    case Op::tan_: return std::tan(x);
    case Op::asin_: return std::asin(x);
    case Op::acos_: return std::acos(x);
    case Op::atan_: return std::atan(x);
    case Op::sinh_: return std::sinh(x);
    case Op::cosh_: return std::cosh(x);
    case Op::tanh_: return std::tanh(x);
    case Op::asinh_: return std::asinh(x);
    case Op::acosh_: return std::acosh(x);
    case Op::atanh_: return std::atanh(x);
    case Op::erf_: return std::erf(x);
    case Op::erfc_: return std::erfc(x);
    case Op::floor_: return std::floor(x);
    case Op::ceil_: return std::ceil(x);
    case Op::trunc_: return std::trunc(x);
    case Op::round_: return std::nearbyint(x);
    default: throw Error(Error::Kind::Internal, "no floating-point meaning for " + std::string(info(op).name));
  }
}

template <typename T>
T binary_float(Op op, T x, T y) {
  switch (op) {
    case Op::add_: return x + y;
    case Op::sub_: return x - y;
    case Op::mul_: return x * y;
    case Op::div_: return x / y;
    case Op::fmod_: return std::fmod(x, y);
    case Op::pow_: return power(x, y);
    case Op::atan2_: return std::atan2(x, y);
    case Op::hypot_: return std::hypot(x, y);
    case Op::copysign_: return std::copysign(x, y);
    case Op::minimum_: return std::isnan(x) ? x : std::isnan(y) ? y : y < x ? y : x;
    case Op::maximum_: return std::isnan(x) ? x : std::isnan(y) ? y : x < y ? y : x;
    default: throw Error(Error::Kind::Internal, "no floating-point meaning for " + std::string(info(op).name));
  }
}

int64_t shifted_left(DType dtype, int64_t x, int64_t y) {
  return y < 0 || y >= 8 * info(dtype).bytes ? 0 : static_cast<int64_t>(static_cast<uint64_t>(x) << y);
}

int64_t shifted_right(DType dtype, int64_t x, int64_t y) {
  const int64_t last = 8 * info(dtype).bytes - 1;
  if (y >= 0 && y <= last) return x >> y;
  return dtype == DType::u8 ? 0 : x >> last;
}

uint64_t integer(Op op, DType dtype, int64_t x, int64_t y) {
  const uint64_t ux = static_cast<uint64_t>(x), uy = static_cast<uint64_t>(y);
  switch (op) {
    case Op::neg_: return -ux;
    case Op::abs_: return x < 0 ? -ux : ux;
    case Op::floor_:
    case Op::ceil_:
    case Op::trunc_:
    case Op::round_: return ux;
    case Op::not_: return dtype == DType::b1 ? !x : ~ux;
    case Op::add_: return ux + uy;
    case Op::sub_: return ux - uy;
    case Op::mul_: return ux * uy;
    case Op::div_: return y == 0 ? 0 : y == -1 ? -ux : static_cast<uint64_t>(x / y);
    case Op::fmod_: return y == 0 || y == -1 ? 0 : static_cast<uint64_t>(x % y);
    case Op::pow_: return static_cast<uint64_t>(integer_power(x, y));
    case Op::minimum_: return y < x ? uy : ux;
    case Op::maximum_: return x < y ? uy : ux;
    case Op::and_: return ux & uy;
    case Op::or_: return ux | uy;
    case Op::xor_: return ux ^ uy;
    case Op::shl_: return static_cast<uint64_t>(shifted_left(dtype, x, y));
    case Op::shr_: return static_cast<uint64_t>(shifted_right(dtype, x, y));
    default: throw Error(Error::Kind::Internal, "no integer meaning for " + std::string(info(op).name));
  }
}

template <typename T>
bool compare(Op op, T x, T y) {
  switch (op) {
    case Op::eq_: return x == y;
    case Op::ne_: return x != y;
    case Op::lt_: return x < y;
    case Op::le_: return x <= y;
    case Op::gt_: return x > y;
    case Op::ge_: return x >= y;
    default: throw Error(Error::Kind::Internal, "not a comparison: " + std::string(info(op).name));
  }
}

Scalar fused(DType dtype, double x, double y, double z) {
  if (dtype == DType::f64) return Scalar::of_double(dtype, std::fma(x, y, z));
  return Scalar::of_double(dtype, std::fma(static_cast<float>(x), static_cast<float>(y), static_cast<float>(z)));
}

bool compares(Op op, std::span<const Scalar> in) {
  if (op == Op::is_nan_) return is_floating(in[0].dtype) && std::isnan(in[0].as_double());
  return is_floating(in[0].dtype) ? compare(op, in[0].as_double(), in[1].as_double())
                                  : compare(op, in[0].as_int(), in[1].as_int());
}

}  // namespace

Scalar convert(const Scalar& value, DType dtype) {
  if (!is_floating(dtype)) {
    if (dtype == DType::b1)
      return Scalar::of_int(dtype, is_floating(value.dtype) ? value.as_double() != 0 : value.as_int() != 0);
    return of_int(dtype, is_floating(value.dtype) ? truncated(dtype, value.as_double()) : value.as_int());
  }
  if (dtype == DType::f64) return Scalar::of_double(dtype, value.as_double());
  const float narrow =
      is_floating(value.dtype) ? static_cast<float>(value.as_double()) : static_cast<float>(value.as_int());
  if (dtype == DType::f16) return Scalar::of_double(dtype, float_from_half(half_from_float(narrow)));
  if (dtype == DType::bf16) return Scalar::of_double(dtype, float_from_bfloat(bfloat_from_float(narrow)));
  return Scalar::of_double(dtype, narrow);
}

Scalar evaluate(Op op, DType dtype, std::span<const Scalar> in) {
  check_internal(info(op).cls == OpClass::Elementwise && static_cast<int>(in.size()) == info(op).arity,
                 "not an elementwise call");
  if (op == Op::cast_) return convert(in[0], dtype);
  if (op == Op::where_) return in[0].as_int() != 0 ? in[1] : in[2];
  if (info(op).has(Compares)) return Scalar::of_int(DType::b1, compares(op, in));
  const bool binary = in.size() == 2;
  if (op == Op::fma_ && is_floating(dtype))
    return fused(dtype, in[0].as_double(), in[1].as_double(), in[2].as_double());
  if (!is_floating(dtype)) return of_int(dtype, integer(op, dtype, in[0].as_int(), binary ? in[1].as_int() : 0));
  const double x = in[0].as_double(), y = binary ? in[1].as_double() : 0;
  if (dtype == DType::f64) return Scalar::of_double(dtype, binary ? binary_float(op, x, y) : unary_float(op, x));
  const float fx = static_cast<float>(x), fy = static_cast<float>(y);
  return convert(Scalar::of_double(DType::f32, binary ? binary_float(op, fx, fy) : unary_float(op, fx)), dtype);
}

Scalar load_element(const void* address, DType dtype) {
  auto as = [&]<typename T>(T value) {
    std::memcpy(&value, address, sizeof value);
    return value;
  };
  switch (dtype) {
    case DType::b1: return Scalar::of_int(dtype, as(uint8_t{}) != 0);
    case DType::u8: return Scalar::of_int(dtype, as(uint8_t{}));
    case DType::i8: return Scalar::of_int(dtype, as(int8_t{}));
    case DType::i16: return Scalar::of_int(dtype, as(int16_t{}));
    case DType::i32: return Scalar::of_int(dtype, as(int32_t{}));
    case DType::i64: return Scalar::of_int(dtype, as(int64_t{}));
    case DType::f16: return Scalar::of_double(dtype, float_from_half(as(uint16_t{})));
    case DType::bf16: return Scalar::of_double(dtype, float_from_bfloat(as(uint16_t{})));
    case DType::f32: return Scalar::of_double(dtype, as(float{}));
    case DType::f64: return Scalar::of_double(dtype, as(double{}));
    default: throw Error(Error::Kind::Internal, "no kernel computes with " + std::string(info(dtype).name));
  }
}

void store_element(void* address, const Scalar& value) {
  auto put = [&](auto bits) { std::memcpy(address, &bits, sizeof bits); };
  switch (value.dtype) {
    case DType::b1: return put(static_cast<uint8_t>(value.as_int() != 0));
    case DType::u8: return put(static_cast<uint8_t>(value.as_int()));
    case DType::i8: return put(static_cast<int8_t>(value.as_int()));
    case DType::i16: return put(static_cast<int16_t>(value.as_int()));
    case DType::i32: return put(static_cast<int32_t>(value.as_int()));
    case DType::i64: return put(value.as_int());
    case DType::f16: return put(half_from_float(static_cast<float>(value.as_double())));
    case DType::bf16: return put(bfloat_from_float(static_cast<float>(value.as_double())));
    case DType::f32: return put(static_cast<float>(value.as_double()));
    case DType::f64: return put(value.as_double());
    default: throw Error(Error::Kind::Internal, "no kernel computes with " + std::string(info(value.dtype).name));
  }
}

}  // namespace braze
