// The tensors a recorded trace read that were neither arguments nor made inside: parameters, buffers, globals, closure
// variables.
#pragma once

#include <Python.h>
#include <torch/csrc/autograd/python_variable.h>

#include <string>
#include <vector>

#include "frontend/guards/arguments.h"
#include "frontend/guards/tensor_specs.h"
#include "frontend/guards/tensor_words.h"

namespace braze {

/// That each is still the object in its place is guarded by the state guards. Here its metadata is checked and its
/// TensorImpl read anew at each call, so a changed `.data`, device or shape is seen and nothing of its numbers is kept.
/// One whose metadata is, byte for byte, what it was when it was last looked at costs a few compares; most parameters
/// of a model are of few kinds, and share the bytes they are compared with.
class CapturedTensors {
 public:
  /// `with_offsets`: where in its storage each begins has to stay, too.
  explicit CapturedTensors(bool with_offsets) : with_offsets_(with_offsets) {}

  /// False with a refusal for a tensor of a kind that is not vouched for.
  bool add(const std::string& path, PyObject* tensor, Refusal& refusal);

  /// Hot. Appends their TensorImpls to `inputs`.
  bool check(CallInputs& inputs) {
    if (!hold()) return false;
    inputs.tensors.append(impls_.begin(), impls_.end());
    return true;
  }

  /// Hot. Whether they are of the kinds they were.
  bool hold();

  size_t size() const { return tensors_.size(); }
  const std::vector<std::string>& paths() const { return paths_; }
  PyObject* tensor(size_t index) const { return tensors_[index].get(); }
  std::string explain() const;
  std::vector<std::string> describe() const;

  int visit(visitproc visit, void* arg) const;
  void clear();

 private:
  /// A tensor as it was when its spec was last compared.
  struct Known {
    PyObject* object;
    at::TensorImpl* impl;
    const torch::autograd::AutogradMeta* meta;
    uint32_t slot;
    uint16_t words;  // in words_; kUnknown when its spec is all there is to go by
    uint8_t autograd_flags;
    bool is_parameter;  // a leaf that requires grad, as most are
  };
  static constexpr uint16_t kUnknown = UINT16_MAX;
  static constexpr size_t kMostWords = 256;

  static bool is_parameter(const torch::autograd::AutogradMeta& meta) {
    return meta.requires_grad_ && !meta.is_view_ && !meta.fw_grad_;
  }

  at::TensorImpl* impl(size_t index) const { return THPVariable_Unpack(tensors_[index].get()).unsafeGetTensorImpl(); }

  [[gnu::always_inline]] bool is_as_known(const Known& known) const {
    const at::TensorImpl* tensor = THPVariable_Unpack(known.object).unsafeGetTensorImpl();
    return tensor == known.impl && known.words != kUnknown && TensorWords::are(known.impl, words_[known.words]) &&
           TensorWords::autograd_meta(known.impl) == known.meta &&
           (known.is_parameter ? is_parameter(*known.meta) : has_flags(known));
  }
  static bool has_flags(const Known& known) {
    return known.meta == nullptr || TensorSpecs::autograd_flags(*known.meta) == known.autograd_flags;
  }
  /// Whether its spec holds; then it is known as it is now.
  bool look(Known& known);
  uint16_t remember(const at::TensorImpl* tensor);

  /// Whether, apart from the numbers in it, it is as it was recorded.
  bool is_as_recorded(size_t slot, const at::TensorImpl* tensor) const {
    return specs_.check(slot, tensor) && (!with_offsets_ || tensor->storage_offset() == offsets_[slot]);
  }

  bool with_offsets_;
  std::vector<int64_t> offsets_;
  std::vector<PyRef> tensors_;
  std::vector<std::string> paths_;
  TensorSpecs specs_;
  std::vector<at::TensorImpl*> impls_;  // of the tensors as they were when last looked at
  std::vector<Known> known_;            // by slot
  std::vector<TensorWords::Words> words_;
};

}  // namespace braze
