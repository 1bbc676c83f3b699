#include "frontend/call/effects.h"

#include "frontend/guards/cpython_objects.h"

namespace braze {
namespace {

/// The dict itself, or the one of an instance's attributes.
PyObject* dict_of(PyObject* container) {
  if (PyDict_Check(container)) return container;
  PyObject** slot = cpython::dict_slot(container);
  if (slot != nullptr && *slot != nullptr) return *slot;
  PyErr_SetString(PyExc_RuntimeError, "an argument lost its attributes while a compiled call ran");
  return nullptr;
}

}  // namespace

bool Effects::apply(PyObject* values, PyObject* const* containers) const {
  Py_ssize_t next = 1;
  for (const Change& change : changes_) {
    PyObject* container = containers[change.container];
    if (change.kind == Kind::Replace) {
      if (PyList_SetSlice(container, 0, PyList_GET_SIZE(container), PyTuple_GET_ITEM(values, next++)) < 0) return false;
      continue;
    }
    PyObject* dict = dict_of(container);
    if (dict == nullptr) return false;
    if (change.kind == Kind::Set) {
      if (PyDict_SetItem(dict, change.key.get(), PyTuple_GET_ITEM(values, next++)) < 0) return false;
    } else if (PyDict_DelItem(dict, change.key.get()) < 0) {
      PyErr_Clear();  // another thread was first
    }
  }
  return true;
}

std::string Effects::describe() const {
  static constexpr const char* names[] = {"set", "delete", "replace"};
  std::string text;
  for (const Change& change : changes_) {
    if (!text.empty()) text += ' ';
    text += std::string(names[static_cast<size_t>(change.kind)]) + "#" + std::to_string(change.container);
    if (change.key) text += "[" + describe_value(change.key.get()) + "]";
  }
  return text;
}

int Effects::visit(visitproc visit, void* arg) const {
  for (const Change& change : changes_) {
    if (int stop = change.key.visit(visit, arg)) return stop;
  }
  return 0;
}

}  // namespace braze
