// Private PyTorch details, each in one place, so that a new version is checked here. tests/python/test_compat.py has a test for each.
#pragma once

#include <ATen/Context.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <unordered_map>

namespace braze::compat {

// at::Context keeps its flags (determinism, cuDNN, oneDNN, SDP, BLAS preferences) as plain members between the once_flags and the precision
// map. Its getters cost a call each and some throw, so the flags are compared as bytes.
inline constexpr size_t context_flags_begin = sizeof(std::array<c10::once_flag, at::COMPILE_TIME_MAX_DEVICE_TYPES>);
inline constexpr size_t context_flags_end =
    sizeof(at::Context) - sizeof(at::Allocator*) - sizeof(std::unordered_map<int, at::Float32Precision>);
inline constexpr size_t context_flags_size = context_flags_end - context_flags_begin;
static_assert(context_flags_end > context_flags_begin && context_flags_size <= 256);

inline void copy_context_flags(const at::Context& context, uint8_t* bytes) {
  std::memcpy(bytes, reinterpret_cast<const uint8_t*>(&context) + context_flags_begin, context_flags_size);
}

}  // namespace braze::compat
