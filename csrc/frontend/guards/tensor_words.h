// Where in memory the metadata of a tensor lies, so that a tensor that has not changed is known by a few wide compares.
//
// Equal bytes mean equal metadata; different ones mean nothing, and TensorSpecs decides.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
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
  class Difference;
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

  static bool are(const at::TensorImpl* tensor, const Words& words) { return of(tensor) == words; }

  /// As TensorImpl::autograd_meta(), inline.
  static const torch::autograd::AutogradMeta* autograd_meta(const at::TensorImpl* tensor) {
    c10::AutogradMetaInterface* meta;
    std::memcpy(&meta, reinterpret_cast<const char*>(tensor) + TensorFields::autograd_meta(), sizeof meta);
    return static_cast<const torch::autograd::AutogradMeta*>(meta);
  }

 private:
  static const char* address(const at::TensorImpl* tensor) {
    return reinterpret_cast<const char*>(tensor) + TensorFields::begin();
  }
};

/// Whether any of some tensors has other words than these: all are read before one is asked. Inlined into functions
/// that are compiled for wide vectors.
class TensorWords::Difference {
 public:
  [[gnu::always_inline]] explicit Difference(const Words& words) {
    for (size_t i = 0; i < kParts; ++i) std::memcpy(&expected_[i], bytes(words.data()) + begin(i), sizeof(Wide));
  }
  [[gnu::always_inline]] void add(const at::TensorImpl* tensor) {
    for (size_t i = 0; i < kParts; ++i) {
      Wide part;
      std::memcpy(&part, address(tensor) + begin(i), sizeof part);
      difference_ |= part ^ expected_[i];
    }
  }
  [[gnu::always_inline]] bool any() const {
    return (difference_[0] | difference_[1] | difference_[2] | difference_[3]) != 0;
  }

 private:
  typedef uint64_t Wide __attribute__((vector_size(32)));
  static constexpr size_t kParts = (sizeof(Words) + sizeof(Wide) - 1) / sizeof(Wide);
  static_assert(sizeof(Words) >= sizeof(Wide));

  /// The last part may overlap the one before.
  static constexpr size_t begin(size_t part) { return std::min(part * sizeof(Wide), sizeof(Words) - sizeof(Wide)); }
  static const char* bytes(const uint64_t* words) { return reinterpret_cast<const char*>(words); }

  Wide expected_[kParts];
  Wide difference_ = {};
};

}  // namespace braze
