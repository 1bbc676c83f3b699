// Private PyTorch details, each in one place, so that a new version is checked here.
// tests/python/test_guards_torch_state.py flips every one.
#pragma once

#include <ATen/Context.h>
#include <c10/util/hash.h>
#include <torch/csrc/autograd/forward_grad.h>
#include <torch/version.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <unordered_map>
#include <utility>

namespace braze::compat {

// at::Context keeps its flags (determinism, cuDNN, oneDNN, SDP, BLAS preferences) as plain members between the
// once_flags and the precision map. Its getters cost a call each and some throw, so the flags are compared as bytes.
inline constexpr size_t context_flags_begin = sizeof(std::array<c10::once_flag, at::COMPILE_TIME_MAX_DEVICE_TYPES>);
inline constexpr size_t context_flags_end =
    sizeof(at::Context) - sizeof(at::Allocator*) - sizeof(std::unordered_map<int, at::Float32Precision>);
inline constexpr size_t context_flags_size = context_flags_end - context_flags_begin;
static_assert(context_flags_end > context_flags_begin && context_flags_size <= 256);

inline void copy_context_flags(const at::Context& context, uint8_t* bytes) {
  std::memcpy(bytes, reinterpret_cast<const uint8_t*>(&context) + context_flags_begin, context_flags_size);
}

/// The float32 precision settings, which lie in a map after the flags; its getters resolve inheritance at some 20 ns
/// each. What was set decides what they answer, so that is compared. The addresses stay: settings are assigned, never
/// erased.
inline constexpr size_t precision_count = 9;

class PrecisionSettings {
 public:
  explicit PrecisionSettings(const at::Context& context) {
    using Key = std::pair<at::Float32Backend, at::Float32Op>;
    using Settings = std::unordered_map<Key, at::Float32Precision, c10::hash<Key>>;
    static_assert(sizeof(Settings) == sizeof(std::unordered_map<int, at::Float32Precision>));
    auto& settings = *reinterpret_cast<const Settings*>(reinterpret_cast<const char*>(&context) + context_flags_end);
    TORCH_CHECK(settings.size() == precision_count, "braze: at::Context has ", settings.size(),
                " precision settings, not ", precision_count);
    for (const auto& setting : settings) addresses_[count_++] = &setting.second;
  }

  void copy(uint8_t* bytes) const {
    for (size_t i = 0; i < count_; ++i) bytes[i] = static_cast<uint8_t>(*addresses_[i]);
  }

 private:
  const at::Float32Precision* addresses_[precision_count] = {};
  size_t count_ = 0;
};

/// Whether any thread is inside a level of forward-mode AD: outside of all of them no tensor has a tangent.
inline bool is_inside_forward_level() {
#if TORCH_VERSION_MAJOR > 2 || TORCH_VERSION_MINOR >= 15
  return torch::autograd::ForwardADLevel::has_any_level();
#else
  return torch::autograd::ForwardADLevel::try_get_by_idx(0) != nullptr;
#endif
}

}  // namespace braze::compat
