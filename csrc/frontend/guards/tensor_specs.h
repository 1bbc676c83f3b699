// What a recorded trace assumed of each tensor it was given: everything but the numbers in it. Checked at every call,
// so the check is inline.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/variable.h>

#include <cstring>
#include <string>
#include <vector>

#include "frontend/capture/refusal.h"

namespace braze {

class TensorSpecs {
 public:
  /// Adds the next tensor. False with a refusal when tensors of its kind are not vouched for.
  bool add(const at::Tensor& tensor, Refusal& refusal);

  size_t size() const { return specs_.size(); }
  /// Forgets all but the first `count`.
  void truncate(size_t count) { specs_.erase(specs_.begin() + static_cast<std::ptrdiff_t>(count), specs_.end()); }

  /// Whether `tensor` is as the `index`-th one was.
  bool check(size_t index, const at::TensorImpl* tensor) const {
    const Spec& spec = specs_[index];
    if (tensor->key_set().raw_repr() != spec.keys || tensor->dtype() != spec.dtype || tensor->dim() != spec.dims ||
        flags_of(tensor) != spec.flags || tensor->device() != spec.device) {
      return false;
    }
    const int64_t* geometry = geometry_.data() + spec.geometry;
    const int64_t *sizes = tensor->sizes().data(), *strides = tensor->strides().data();
    for (int32_t i = 0; i < spec.dims; ++i) {
      if (sizes[i] != geometry[i] || strides[i] != geometry[spec.dims + i]) return false;
    }
    return true;
  }

  std::string describe(size_t index) const;
  static std::string describe(const at::TensorImpl* tensor);

 private:
  struct Spec {
    uint64_t keys;  // dispatch keys: backend, layout, conj and neg bits, inference tensor, subclass
    caffe2::TypeMeta dtype;
    c10::Device device;
    uint8_t flags;
    int32_t dims;
    uint32_t geometry;  // where its sizes, then strides, start in geometry_
  };
  enum Flag : uint8_t { RequiresGrad = 1, Leaf = 2, View = 4, ForwardGrad = 8, WrappedNumber = 16 };

  static uint8_t flags_of(const at::TensorImpl* tensor) {
    uint8_t flags = tensor->is_wrapped_number() ? WrappedNumber : 0;
    auto* meta = static_cast<torch::autograd::AutogradMeta*>(tensor->autograd_meta());
    if (meta == nullptr) return flags;
    if (meta->fw_grad_) flags |= ForwardGrad;
    if (meta->requires_grad()) {
      flags |= RequiresGrad;
      if (meta->requires_grad_) flags |= Leaf;
      if (meta->is_view_) flags |= View;
    }
    return flags;
  }

  std::vector<Spec> specs_;
  std::vector<int64_t> geometry_;
};

}  // namespace braze
