// Where in memory the metadata of a tensor lies, so that a tensor that has not changed is known by a few wide compares.
//
// Equal bytes mean equal metadata; different ones mean nothing, and TensorSpecs decides.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/variable.h>

#include <array>
#include <cstddef>
#include <cstring>

namespace braze {

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
/// Never made: its protected fields are those of every tensor.
struct TensorFields : c10::TensorImpl {
  static constexpr size_t begin() { return offsetof(TensorFields, sizes_and_strides_); }
  static constexpr size_t end() { return offsetof(TensorFields, key_set_) + sizeof(c10::DispatchKeySet); }
  static constexpr size_t autograd_meta() { return offsetof(TensorFields, extra_meta_) - sizeof(void*); }
};
#pragma GCC diagnostic pop

class TensorWords {
 public:
  /// Number of dims, sizes and strides, storage offset, dtype, device, flags and dispatch keys.
  static constexpr size_t kCount = (TensorFields::end() - TensorFields::begin()) / sizeof(uint64_t);
  using Words = std::array<uint64_t, kCount>;

  /// Whether the fields are where they are thought to be, by what PyTorch's accessors say of some tensors. Else nothing
  /// here may be used.
  static bool are_understood();

  /// Whether all that is compared is inside the tensor: one of many dims keeps its sizes elsewhere.
  static bool are_inside(const at::TensorImpl* tensor) {
    const char *begin = address(tensor), *sizes = reinterpret_cast<const char*>(tensor->sizes().data());
    return sizes > begin && sizes < begin + sizeof(Words);
  }

  static Words of(const at::TensorImpl* tensor) {
    Words words;
    std::memcpy(words.data(), address(tensor), sizeof words);
    return words;
  }

  /// Inlined into functions that are also compiled for wide vectors.
  [[gnu::always_inline]] static bool are(const at::TensorImpl* tensor, const Words& words) {
    constexpr size_t kWhole = sizeof(Words) / sizeof(Wide) * sizeof(Wide);
    const char *now = address(tensor), *then = reinterpret_cast<const char*>(words.data());
    Wide difference = {};
    for (size_t at = 0; at < kWhole; at += sizeof(Wide)) {
      Wide a, b;
      std::memcpy(&a, now + at, sizeof a);
      std::memcpy(&b, then + at, sizeof b);
      difference |= a ^ b;
    }
    uint64_t rest = difference[0] | difference[1] | difference[2] | difference[3];
    for (size_t at = kWhole; at < sizeof(Words); at += sizeof rest) {
      uint64_t a, b;
      std::memcpy(&a, now + at, sizeof a);
      std::memcpy(&b, then + at, sizeof b);
      rest |= a ^ b;
    }
    return rest == 0;
  }

  /// As TensorImpl::autograd_meta(), inline.
  static const torch::autograd::AutogradMeta* autograd_meta(const at::TensorImpl* tensor) {
    c10::AutogradMetaInterface* meta;
    std::memcpy(&meta, reinterpret_cast<const char*>(tensor) + TensorFields::autograd_meta(), sizeof meta);
    return static_cast<const torch::autograd::AutogradMeta*>(meta);
  }

 private:
  typedef uint64_t Wide __attribute__((vector_size(32)));

  static const char* address(const at::TensorImpl* tensor) {
    return reinterpret_cast<const char*>(tensor) + TensorFields::begin();
  }
};

}  // namespace braze
