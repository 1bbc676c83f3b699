// Tensors as Python objects, as nearly all parameters are: of the class they had, without attributes of their own, and
// holding the TensorImpl they held. Those of a class are compared in one loop.
#pragma once

#include <ATen/core/Tensor.h>
#include <Python.h>

#include <unordered_set>
#include <vector>

namespace braze {

class PlainTensors {
 public:
  /// False when it has attributes, or cannot have any: then it is not one of these.
  bool add(PyObject* tensor);
  bool has(PyObject* tensor) const { return known_.count(tensor) > 0; }
  void clear() { kinds_.clear(), known_.clear(); }

  /// Hot. Whether each is of its class and without attributes.
  bool check() {
    for (Kind& kind : kinds_) {
      uintptr_t difference = 0, moved = 0;
      for (const Object& object : kind.objects) {
        const char* begin = reinterpret_cast<const char*>(object.tensor);
        difference |= word_of(&object.tensor->ob_type) ^ kind.type;
        difference |= word_of(begin + kind.slot);
        moved |= word_of(begin + kContent) ^ object.content;
      }
      if (__builtin_expect(difference != 0, 0)) return false;
      if (__builtin_expect(moved != 0, 0)) follow(kind);
    }
    return true;
  }

  /// How often a check found that some hold other TensorImpls than before, as after torch.utils.swap_tensors. What they
  /// hold may be as good: CapturedTensors looks.
  uint64_t swaps() const { return swaps_; }

 private:
  struct Object {
    PyObject* tensor;
    uintptr_t content;
  };
  struct Kind {
    uintptr_t type;
    ptrdiff_t slot;  // where its __dict__ would be, in bytes from the object
    std::vector<Object> objects;
  };
  static const ptrdiff_t kContent;  // as `slot`, of the TensorImpl

  static uintptr_t word_of(const void* address) { return *static_cast<const uintptr_t*>(address); }
  void follow(Kind& kind);

  std::vector<Kind> kinds_;
  std::unordered_set<PyObject*> known_;
  uint64_t swaps_ = 0;
};

}  // namespace braze
