// A number known at compile time, with the dtype it is used at.
#pragma once

#include <bit>
#include <cstdint>

#include "ops/dtype.h"

namespace braze {

/// Floating dtypes keep the value as a double, integers and bool as an int64 (already wrapped to the dtype's range).
struct Scalar {
  DType dtype = DType::f32;
  uint64_t bits = 0;

  static Scalar of_double(DType dtype, double value) { return {dtype, std::bit_cast<uint64_t>(value)}; }
  static Scalar of_int(DType dtype, int64_t value) { return {dtype, static_cast<uint64_t>(value)}; }

  double as_double() const {
    return is_floating(dtype) ? std::bit_cast<double>(bits) : static_cast<double>(as_raw_int());
  }
  int64_t as_int() const {
    return is_floating(dtype) ? static_cast<int64_t>(std::bit_cast<double>(bits)) : as_raw_int();
  }
  bool operator==(const Scalar&) const = default;

 private:
  int64_t as_raw_int() const { return static_cast<int64_t>(bits); }
};

}  // namespace braze
