// The values of a parametric kernel's size parameters.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "schedule/kernel.h"

namespace braze {

/// An integer of a kernel, given the values of its size parameters.
inline int64_t value_of(int64_t integer, std::span<const int64_t> sizes) {
  return is_size_param(integer) ? sizes[size_param_position(integer)] : integer;
}

/// An integer of a kernel as text: a number, or s0, s1, ...
std::string size_text(int64_t integer);

/// What a constant is, rounded to its dtype.
Scalar value_of_constant(const Instr& constant, std::span<const int64_t> sizes);

/// True when code for the kernel is right at these sizes: every size parameter is at least `least_size` where it is an
/// extent, at least 1 where it is a stride and not negative elsewhere, and no count is larger than code can count.
bool allows(const Kernel& kernel, std::span<const int64_t> sizes, int64_t least_size = 2);

/// The static kernel that does the same at these sizes.
Kernel with_sizes(const Kernel& kernel, std::span<const int64_t> sizes);

}  // namespace braze
