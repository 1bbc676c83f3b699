// Tensors by kind: those whose metadata was the same, byte for byte, are compared with it in one loop without branches.
//
// Most parameters of a model are of a few kinds, so what they are compared with stays in registers, and of each of them
// no more is read than the cache lines its metadata is in.
#pragma once

#include <vector>

#include "frontend/guards/tensor_specs.h"
#include "frontend/guards/tensor_words.h"

namespace braze {

class TensorKinds {
 public:
  /// `with_autograd`: what autograd knows of the tensors matters.
  explicit TensorKinds(bool with_autograd) : with_autograd_(with_autograd) {}

  /// Keeps how the tensor is now. False when that cannot be told by comparing bytes.
  bool add(const at::TensorImpl* tensor);
  void clear() { kinds_.clear(); }

  /// Hot. Whether the metadata of each is what it was. If not, it may still mean the same.
  bool hold() const;

 private:
  /// What autograd knows of a tensor: whatever it likes, nothing, that it is a leaf that requires grad, or something
  /// else.
  enum class Autograd : uint8_t { Any, Nothing, Parameter, Flags };
  struct Kind {
    TensorWords::Words words;
    Autograd autograd;
    uint8_t flags;  // for Flags
    std::vector<const at::TensorImpl*> tensors;
  };
  static constexpr size_t kMostKinds = 256;

  Autograd autograd_of(const at::TensorImpl* tensor) const;
  template <Autograd autograd>
  static bool holds(const Kind& kind);

  bool with_autograd_;
  std::vector<Kind> kinds_;
};

}  // namespace braze
