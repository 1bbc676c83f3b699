// The values of a parametric kernel's size parameters.
#pragma once

#include <cstdint>
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

/// What a constant is.
Scalar value_of_constant(const Instr& constant, std::span<const int64_t> sizes);

/// True when the kernel may run at these sizes: what is an extent is at least 2, a stride at least 1, anything else not
/// negative, and nothing is larger than code counts.
bool allows(const Kernel& kernel, std::span<const int64_t> sizes);

/// The static kernel that does the same at these sizes.
Kernel with_sizes(const Kernel& kernel, std::span<const int64_t> sizes);

}  // namespace braze
