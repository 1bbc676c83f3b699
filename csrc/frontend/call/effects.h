// What a call leaves behind in the caller's own lists, dicts and plain objects: a KV cache that grows, an attribute
// that holds the last state.
#pragma once

#include <Python.h>

#include <cstdint>
#include <string>
#include <vector>

#include "frontend/guards/python_value.h"

namespace braze {

/// Changes of containers of the arguments, in order. The values they need come from an output tree: it makes a tuple of
/// the call's result and then one value for each change but a deletion.
class Effects {
 public:
  enum class Kind : uint8_t {
    Set,     // dict[key], or the attribute named key, is the value
    Delete,  // that key or attribute is gone
    Replace  // the list holds the items of the value, a tuple
  };

  /// `container`: its place in CallInputs::containers.
  void add(Kind kind, uint32_t container, PyRef key) { changes_.push_back({kind, container, std::move(key)}); }

  /// False with a Python error set.
  bool apply(PyObject* values, PyObject* const* containers) const;

  std::string describe() const;
  int visit(visitproc visit, void* arg) const;

 private:
  struct Change {
    Kind kind;
    uint32_t container;
    PyRef key;
  };
  std::vector<Change> changes_;
};

}  // namespace braze
