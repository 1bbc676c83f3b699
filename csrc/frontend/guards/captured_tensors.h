// The tensors a recorded trace read that were neither arguments nor made inside: parameters, buffers, globals, closure
// variables.
#pragma once

#include <Python.h>

#include <string>
#include <vector>

#include "frontend/guards/arguments.h"
#include "frontend/guards/tensor_specs.h"

namespace braze {

/// That each is still the object in its place is guarded by the state guards. Here its metadata is checked and its
/// TensorImpl read anew at each call, so a changed `.data`, device or shape is seen and nothing of its numbers is kept.
class CapturedTensors {
 public:
  /// False with a refusal for a tensor of a kind that is not vouched for.
  bool add(const std::string& path, PyObject* tensor, Refusal& refusal);

  /// Appends their TensorImpls to `inputs`.
  bool check(CallInputs& inputs) const {
    for (size_t i = 0; i < tensors_.size(); ++i) {
      at::TensorImpl* tensor = impl(i);
      if (!specs_.check(i, tensor)) return false;
      inputs.tensors.push_back(tensor);
    }
    return true;
  }

  /// Whether they are of the kinds they were, for tensors of which only Python reads something.
  bool hold() const {
    for (size_t i = 0; i < tensors_.size(); ++i)
      if (!specs_.check(i, impl(i))) return false;
    return true;
  }

  size_t size() const { return tensors_.size(); }
  const std::vector<std::string>& paths() const { return paths_; }
  PyObject* tensor(size_t index) const { return tensors_[index].get(); }
  std::string explain() const;
  std::vector<std::string> describe() const;

  int visit(visitproc visit, void* arg) const;
  void clear();

 private:
  at::TensorImpl* impl(size_t index) const;

  std::vector<PyRef> tensors_;
  std::vector<std::string> paths_;
  TensorSpecs specs_;
};

}  // namespace braze
