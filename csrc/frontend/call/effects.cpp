#include "frontend/call/effects.h"

#include "frontend/guards/dict_access.h"

namespace braze {
namespace {

/// As dict_of, with a Python error set when there is none.
PyObject* writable_dict_of(PyObject* container) {
  PyObject* dict = dict_of(container);
  if (dict == nullptr) PyErr_SetString(PyExc_RuntimeError, "an argument lost its attributes while a compiled call ran");
  return dict;
}

}  // namespace

bool Effects::apply(PyObject* values, PyObject* const* containers) const {
  Py_ssize_t next = 1;
  for (const Change& change : changes_) {
    if (!apply(change, containers[change.container], values, next)) return false;
  }
  for (const Told& told : told_) {
    PyRef nothing = PyRef::steal(PyObject_CallObject(told.function.get(), told.arguments.get()));
    if (!nothing) return false;
  }
  return true;
}

bool Effects::apply(const Change& change, PyObject* container, PyObject* values, Py_ssize_t& next) const {
  if (change.kind == Kind::Replace)
    return PyList_SetSlice(container, 0, PyList_GET_SIZE(container), PyTuple_GET_ITEM(values, next++)) == 0;
  const bool is_cell = PyCell_Check(container);
  PyObject* dict = is_cell ? nullptr : writable_dict_of(container);
  if (dict == nullptr && !is_cell) return false;
  if (change.kind == Kind::Refill) {
    PyObject *keys = change.key.get(), *items = PyTuple_GET_ITEM(values, next++);
    clear_items(dict);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(keys); ++i)
      if (set_item(dict, PyTuple_GET_ITEM(keys, i), PyTuple_GET_ITEM(items, i)) < 0) return false;
    return true;
  }
  if (change.kind == Kind::Delete) {
    if (remove_item(dict, change.key.get()) < 0) PyErr_Clear();  // another thread was first
    return true;
  }
  PyRef value = PyRef::borrow(PyTuple_GET_ITEM(values, next++));
  if (change.kind == Kind::Add) {
    PyObject* before = is_cell ? PyCell_GET(container) : PyDict_GetItemWithError(dict, change.key.get());
    if (before == nullptr) return PyErr_Occurred() == nullptr;
    value = PyRef::steal(PyNumber_Add(before, value.get()));
  }
  if (is_cell) return value && PyCell_Set(container, value.get()) == 0;
  return value && set_item(dict, change.key.get(), value.get()) == 0;
}

std::string Effects::describe() const {
  static constexpr const char* names[] = {"set", "delete", "add", "replace", "refill"};
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
  for (const Told& told : told_) {
    if (int stop = told.function.visit(visit, arg)) return stop;
    if (int stop = told.arguments.visit(visit, arg)) return stop;
  }
  return 0;
}

}  // namespace braze
