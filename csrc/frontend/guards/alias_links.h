// Which input tensors of the recorded call were the same object as, or shared memory with, another input or a tensor of
// the Python state.
#pragma once

#include <ATen/core/Tensor.h>
#include <Python.h>

#include <bitset>
#include <unordered_set>
#include <vector>

namespace braze {

/// The recording gives one slot to one tensor object and follows writes through shared storages, so it holds only while
/// these relations do:
///  - inputs that were one object still are, and inputs that were distinct objects still are (Python sees `a is b`);
///  - an input that was a tensor of the state (its slot then stands for both) still is that tensor, and no other input
///  is one;
///  - tensors whose storages met still have the same distance in memory.
/// Memory that starts to be shared matters only to a program that writes, which looks itself.
class AliasLinks {
 public:
  /// `state`: the tensor objects found in the Python state, borrowed; the state guards keep them.
  void build(at::TensorImpl* const* inputs, size_t count, const std::vector<PyObject*>& state);

  bool check(at::TensorImpl* const* inputs, size_t count) const;

 private:
  /// An input, or a tensor of the state (re-read at each check: its storage can be swapped).
  struct End {
    PyObject* object = nullptr;
    uint32_t input = 0;
  };
  struct Link {
    End a, b;
    int64_t distance;
  };

  static at::TensorImpl* impl(const End& end, at::TensorImpl* const* inputs);
  bool same_objects_hold(at::TensorImpl* const* inputs, size_t count) const;
  bool is_of_state(const at::TensorImpl* tensor) const;
  static size_t filter_bit(const void* address) {
    return (reinterpret_cast<uintptr_t>(address) >> 4) * 0x9E3779B97F4A7C15ull >> 52;
  }

  std::vector<uint32_t> first_same_;     // for each input the first one that is the same object
  std::vector<PyObject*> state_tensor_;  // for each input the tensor of the state it is, or null
  std::vector<Link> links_;
  std::unordered_set<const at::TensorImpl*> state_;
  std::bitset<4096> state_filter_;
};

}  // namespace braze
