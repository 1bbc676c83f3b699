// Rewinding: contents of containers are replaced as a whole, memory changes places with its copies.
#include "frontend/call/rewind.h"

#include <algorithm>

#include "frontend/guards/cpython_objects.h"

namespace braze {
namespace {

/// The dict itself, or the one of an instance's attributes; null when there is none.
PyObject* dict_of(PyObject* container) {
  if (PyDict_Check(container)) return container;
  PyObject** slot = cpython::dict_slot(container);
  return slot != nullptr ? *slot : nullptr;
}

PyRef contents_of(PyObject* container) {
  if (PyList_Check(container)) return PyRef::steal(PyList_GetSlice(container, 0, PyList_GET_SIZE(container)));
  PyObject* dict = dict_of(container);
  return dict != nullptr ? PyRef::steal(PyDict_Copy(dict)) : PyRef();
}

bool holds(PyObject* container, PyObject* contents) {
  if (PyList_Check(container)) {
    if (PyList_GET_SIZE(container) != PyList_GET_SIZE(contents)) return false;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(contents); ++i)
      if (PyList_GET_ITEM(container, i) != PyList_GET_ITEM(contents, i)) return false;
    return true;
  }
  PyObject* dict = dict_of(container);
  if (PyDict_GET_SIZE(dict) != PyDict_GET_SIZE(contents)) return false;
  Py_ssize_t a = 0, b = 0;
  PyObject *key, *value, *other_key, *other;
  while (PyDict_Next(dict, &a, &key, &value) && PyDict_Next(contents, &b, &other_key, &other))
    if (key != other_key || value != other) return false;
  return true;
}

void put(PyObject* container, PyObject* contents) {
  if (holds(container, contents)) return;
  if (PyList_Check(container)) {
    PyList_SetSlice(container, 0, PyList_GET_SIZE(container), contents);
  } else {
    PyObject* dict = dict_of(container);
    PyDict_Clear(dict);
    PyDict_Update(dict, contents);
  }
}

}  // namespace

Rewind::Rewind(std::vector<PyRef> containers, std::vector<PyRef> contents,
               std::vector<std::pair<at::Tensor, at::Tensor>> memory)
    : memory_(std::move(memory)) {
  for (size_t i = 0; i < containers.size(); ++i)
    held_.push_back({std::move(containers[i]), std::move(contents[i]), PyRef()});
}

bool Rewind::enter() {
  for (Held& held : held_) {
    held.after = contents_of(held.container.get());
    if (held.after) continue;
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_RuntimeError, "an argument lost its attributes during the call");
    return false;
  }
  versions_.clear();
  for (const auto& [tensor, copy] : memory_)
    versions_.push_back(tensor.is_inference() ? 0 : tensor.unsafeGetTensorImpl()->version_counter().current_version());
  for (const Held& held : held_) put(held.container.get(), held.before.get());
  swap_memory();
  return true;
}

void Rewind::exit() {
  for (const Held& held : held_) put(held.container.get(), held.after.get());
  swap_memory();
  for (size_t i = 0; i < memory_.size(); ++i) {
    at::TensorImpl* impl = memory_[i].first.unsafeGetTensorImpl();
    if (impl->is_inference()) continue;
    auto counter = impl->version_counter();  // shared with the tensor
    counter.set_version(versions_[i]);
  }
}

/// By storages, each of which comes once.
void Rewind::swap_memory() {
  for (auto& [tensor, copy] : memory_) {
    const at::Storage &here = tensor.storage(), &there = copy.storage();
    auto *mine = static_cast<char*>(here.mutable_data()), *other = static_cast<char*>(there.mutable_data());
    const size_t bytes = std::min(here.nbytes(), there.nbytes());
    if (mine != other) std::swap_ranges(mine, mine + bytes, other);
  }
}

}  // namespace braze
