// The tensors a recorded trace read that were neither arguments nor made inside: parameters, buffers, globals, closure
// variables.
#pragma once

#include <Python.h>
#include <torch/csrc/autograd/python_variable.h>

#include <algorithm>
#include <string>
#include <vector>

#include "frontend/compat.h"
#include "frontend/guards/arguments.h"
#include "frontend/guards/python_state.h"
#include "frontend/guards/tensor_kinds.h"
#include "frontend/guards/tensor_specs.h"

namespace braze {

/// That each is still the object in its place is guarded by the state guards. Here its metadata is checked and its
/// TensorImpl read anew at each call, so a changed `.data`, device or shape is seen and nothing of its numbers is kept.
/// Those whose metadata is, byte for byte, what it was when they were last looked at cost a few compares each.
class CapturedTensors {
 public:
  /// `with_offsets`: where in its storage each begins has to stay, too. `with_autograd`: and what autograd knows of it,
  /// which otherwise is left in the cache lines it is in.
  CapturedTensors(bool with_offsets, bool with_autograd)
      : with_offsets_(with_offsets),
        with_autograd_(with_autograd || compat::is_inside_forward_level()),
        kinds_(with_autograd_) {}

  /// `state`: the guards that are checked before these. False with a refusal for a tensor of a kind that is not vouched
  /// for.
  bool add(const std::string& path, PyObject* tensor, const StateGuards& state, Refusal& refusal);

  /// Hot. Appends their TensorImpls to `inputs`. `plain`: of the state.
  bool check(const PlainTensors& plain, CallInputs& inputs) {
    if (!hold(plain)) return false;
    inputs.tensors.append(impls_.begin(), impls_.end());
    return true;
  }

  /// Hot. Whether they are of the kinds they were.
  bool hold(const PlainTensors& plain) {
    if (!with_autograd_ && !impls_.empty() && compat::is_inside_forward_level()) return false;
    return (plain.swaps() == swaps_ && are_in_place() && kinds_.hold() && (compared_.empty() || are_as_compared())) ||
           look(plain.swaps());
  }

  size_t size() const { return tensors_.size(); }
  const std::vector<std::string>& paths() const { return paths_; }
  PyObject* tensor(size_t index) const { return tensors_[index].get(); }
  std::string explain() const;
  std::vector<std::string> describe() const;

  int visit(visitproc visit, void* arg) const;
  void clear();

 private:
  at::TensorImpl* impl(size_t index) const { return THPVariable_Unpack(tensors_[index].get()).unsafeGetTensorImpl(); }

  /// Hot. Whether the objects that the state does not know still hold the TensorImpls they held.
  bool are_in_place() const {
    return std::all_of(unwatched_.begin(), unwatched_.end(), [this](uint32_t i) { return impl(i) == impls_[i]; });
  }
  bool are_as_compared() const;
  /// Whether their specs hold; then they are known as they are now.
  bool look(uint64_t swaps);
  void know(size_t slot);
  /// Whether, apart from the numbers in it, it is as it was recorded.
  bool is_as_recorded(size_t slot, const at::TensorImpl* tensor) const {
    return specs_.check(slot, tensor) && (!with_offsets_ || tensor->storage_offset() == offsets_[slot]);
  }

  bool with_offsets_, with_autograd_;
  std::vector<int64_t> offsets_;
  std::vector<PyRef> tensors_;
  std::vector<std::string> paths_;
  TensorSpecs specs_;
  std::vector<at::TensorImpl*> impls_;  // of the tensors as they were when last looked at
  std::vector<uint32_t> unwatched_;     // those that are not in the state
  uint64_t swaps_ = 0;
  TensorKinds kinds_;
  std::vector<uint32_t> compared_;  // those of no kind: their spec is all there is to go by
};

}  // namespace braze
