// What a recorded trace assumed of each tensor it was given: everything but the numbers in it. Checked at every call,
// so the check is inline.
//
// A size may be a symbol: then any size of 2 or more does, the same wherever the symbol stands. A stride may be that of
// the dim inside times its size. Both are kept as negative numbers, which no size or stride is.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "frontend/capture/refusal.h"

namespace braze {

class TensorSpecs {
 public:
  /// Adds the next tensor. False with a refusal when tensors of its kind are not vouched for. `with_autograd`: what
  /// autograd knows of it matters.
  bool add(const at::Tensor& tensor, Refusal& refusal, bool with_autograd = true);

  size_t size() const { return specs_.size(); }
  /// Forgets all but the first `count`.
  void truncate(size_t count) { specs_.erase(specs_.begin() + static_cast<std::ptrdiff_t>(count), specs_.end()); }

  /// Whether `tensor` is as the `index`-th one was. `symbols`: the values met so far, 0 for none; only specs that
  /// `generalise` made need them.
  bool check(size_t index, const at::TensorImpl* tensor, int64_t* symbols = nullptr) const {
    const Spec& spec = specs_[index];
    if (tensor->key_set().raw_repr() != spec.keys || tensor->dtype() != spec.dtype || tensor->dim() != spec.dims ||
        flags_of(tensor, !(spec.flags & AnyAutograd)) != spec.flags || tensor->device() != spec.device) {
      return false;
    }
    const int64_t* geometry = geometry_.data() + spec.geometry;
    const int64_t *sizes = tensor->sizes().data(), *strides = tensor->strides().data();
    for (int32_t i = 0; i < spec.dims; ++i) {
      if (sizes[i] != geometry[i] && !takes(geometry[i], sizes[i], symbols)) return false;
      if (strides[i] != geometry[spec.dims + i] && !follows(geometry[spec.dims + i], strides[i], sizes, strides))
        return false;
    }
    return true;
  }

  /// What was one number in one call and another in a second: the sizes of dims, perhaps Python integers too.
  struct Symbol {
    int64_t first, second;
    bool operator==(const Symbol&) const = default;
  };
  /// The position of a symbol among `symbols`; a new one is appended.
  static uint32_t symbol_of(int64_t first, int64_t second, std::vector<Symbol>& symbols);
  /// Whether a value of a symbol is one that symbols stand for, and is what it was wherever else it was met.
  static bool takes(int64_t value, int64_t& symbol) {
    if (value < least_symbol || value > largest_symbol) return false;
    if (symbol == 0) symbol = value;
    return symbol == value;
  }
  static bool may_vary(int64_t first, int64_t second) {
    return std::min(first, second) >= least_symbol && std::max(first, second) <= largest_symbol;
  }

  /// Specs of tensors that are as those of `a` and of `b`, which differ in sizes and in strides that follow from sizes;
  /// appends to `symbols`. False when they differ in more.
  static bool generalise(const TensorSpecs& a, const TensorSpecs& b, TensorSpecs& result, std::vector<Symbol>& symbols);
  bool same_as(const TensorSpecs& other) const;
  /// The sizes, then the strides, of a tensor at these values of the symbols.
  std::vector<int64_t> geometry_at(size_t index, const std::vector<int64_t>& symbols) const;
  at::ScalarType dtype(size_t index) const { return specs_[index].dtype.toScalarType(); }

  /// What autograd knows of a tensor, as far as it matters.
  static uint8_t autograd_flags(const torch::autograd::AutogradMeta& meta) {
    uint8_t flags = meta.fw_grad_ ? ForwardGrad : 0;
    if (meta.requires_grad_) {
      flags |= RequiresGrad | Leaf;
    } else if (meta.grad_fn_ || (meta.is_view_ && meta.requires_grad())) {  // only views ask another tensor
      flags |= RequiresGrad;
    } else {
      return flags;
    }
    return meta.is_view_ ? flags | View : flags;
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
    bool operator==(const Spec&) const = default;
  };
  enum Flag : uint8_t { RequiresGrad = 1, Leaf = 2, View = 4, ForwardGrad = 8, WrappedNumber = 16, AnyAutograd = 32 };

  static uint8_t flags_of(const at::TensorImpl* tensor, bool with_autograd) {
    const uint8_t own = tensor->is_wrapped_number() ? WrappedNumber : 0;
    if (!with_autograd) return own | AnyAutograd;
    auto* meta = static_cast<torch::autograd::AutogradMeta*>(tensor->autograd_meta());
    return own | (meta == nullptr ? 0 : autograd_flags(*meta));
  }

  static constexpr int64_t least_symbol = 2;                   // PyTorch treats 0 and 1 in ways of their own
  static constexpr int64_t largest_symbol = int64_t{1} << 28;  // as of SizeExpr
  static bool takes(int64_t expected, int64_t size, int64_t* symbols) {
    return expected < 0 && takes(size, symbols[-1 - expected]);
  }
  static bool follows(int64_t expected, int64_t stride, const int64_t* sizes, const int64_t* strides) {
    return expected < 0 && stride == sizes[-1 - expected] * strides[-1 - expected];
  }

  std::vector<Spec> specs_;
  std::vector<int64_t> geometry_;
};

}  // namespace braze
