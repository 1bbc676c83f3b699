// What a call leaves behind in the caller's own lists, dicts and objects (a KV cache that grows, an attribute that
// holds the last state), and what it says on the way: prints, warnings, log records.
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
    Set,      // dict[key], or the attribute named key, is the value
    Delete,   // that key or attribute is gone
    Add,      // the integer there has grown by the value
    Replace,  // the list holds the items of the value, a tuple
    Refill    // the dict holds the keys, a tuple, with the items of the value, a tuple, in this order
  };

  /// `container`: its place in CallInputs::containers.
  void add(Kind kind, uint32_t container, PyRef key) { changes_.push_back({kind, container, std::move(key)}); }
  /// After all changes `function` is called with `arguments`, a tuple: something is printed, or a warning given.
  void tell(PyRef function, PyRef arguments) { told_.push_back({std::move(function), std::move(arguments)}); }

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
  struct Told {
    PyRef function, arguments;
  };
  bool apply(const Change& change, PyObject* container, PyObject* values, Py_ssize_t& next) const;

  std::vector<Change> changes_;
  std::vector<Told> told_;
};

}  // namespace braze
