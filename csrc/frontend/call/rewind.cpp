// Rewinding: contents of containers are replaced as a whole, memory changes places with its copies.
#include "frontend/call/rewind.h"

#include <algorithm>

#include "frontend/guards/dict_access.h"

namespace braze {
namespace {

/// What the container holds, or of a dict and of attributes those of some names; nothing where that cannot change.
PyRef contents_of(PyObject* container, PyObject* names) {
  if (PyTuple_Check(container)) return PyRef();
  if (PyList_Check(container)) return PyRef::steal(PyList_GetSlice(container, 0, PyList_GET_SIZE(container)));
  PyRef contents = PyRef::steal(PyDict_New());
  if (PyCell_Check(container)) {
    if (PyObject* value = PyCell_GET(container)) PyDict_SetItemString(contents.get(), "cell_contents", value);
    return contents;
  }
  PyObject* dict = dict_of(container);
  if (dict == nullptr) return PyRef();
  const PyRef keys = names != nullptr ? PyRef::borrow(names) : keys_of(dict);
  for (Py_ssize_t i = 0; keys && i < PyTuple_GET_SIZE(keys.get()); ++i) {
    PyObject* key = PyTuple_GET_ITEM(keys.get(), i);
    if (PyObject* value = PyDict_GetItemWithError(dict, key)) PyDict_SetItem(contents.get(), key, value);
  }
  return contents;
}

bool are_same(PyObject* now, PyObject* contents) {
  if (PyList_Check(now)) {
    if (PyList_GET_SIZE(now) != PyList_GET_SIZE(contents)) return false;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(contents); ++i)
      if (PyList_GET_ITEM(now, i) != PyList_GET_ITEM(contents, i)) return false;
    return true;
  }
  if (PyDict_GET_SIZE(now) != PyDict_GET_SIZE(contents)) return false;
  Py_ssize_t a = 0, b = 0;
  PyObject *key, *value, *other_key, *other;
  while (PyDict_Next(now, &a, &key, &value) && PyDict_Next(contents, &b, &other_key, &other))
    if (key != other_key || value != other) return false;
  return true;
}

void put(PyObject* container, PyObject* names, PyObject* contents) {
  if (PyList_Check(container)) {
    PyList_SetSlice(container, 0, PyList_GET_SIZE(container), contents);
    return;
  }
  if (PyCell_Check(container)) {
    PyCell_Set(container, PyDict_GetItemString(contents, "cell_contents"));
    return;
  }
  PyObject* dict = dict_of(container);
  const PyRef now = names != nullptr ? PyRef::borrow(names) : keys_of(dict);
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(now.get()); ++i) {
    PyObject* key = PyTuple_GET_ITEM(now.get(), i);
    const bool stays = names != nullptr && PyDict_Contains(contents, key) == 1;
    if (!stays && PyDict_Contains(dict, key) == 1) remove_item(dict, key);
  }
  Py_ssize_t position = 0;
  PyObject *key, *value;
  while (PyDict_Next(contents, &position, &key, &value)) set_item(dict, key, value);
}

}  // namespace

Rewind::Rewind(std::vector<Held> held, std::vector<std::pair<at::Tensor, at::Tensor>> memory)
    : held_(std::move(held)), memory_(std::move(memory)) {}

bool Rewind::enter() {
  for (Held& held : held_) {
    held.after = contents_of(held.container.get(), held.names.get());
    if (PyErr_Occurred()) return false;
  }
  versions_.clear();
  for (const auto& [tensor, copy] : memory_)
    versions_.push_back(tensor.is_inference() ? 0 : tensor.unsafeGetTensorImpl()->version_counter().current_version());
  put_all(&Held::before);
  swap_memory();
  return true;
}

void Rewind::exit() {
  put_all(&Held::after);
  swap_memory();
  for (size_t i = 0; i < memory_.size(); ++i) {
    at::TensorImpl* impl = memory_[i].first.unsafeGetTensorImpl();
    if (impl->is_inference()) continue;
    auto counter = impl->version_counter();  // shared with the tensor
    counter.set_version(versions_[i]);
  }
}

/// What runs in between may have changed any of them again.
void Rewind::put_all(PyRef Held::* contents) {
  for (const Held& held : held_) {
    if (!held.after) continue;
    const PyRef now = contents_of(held.container.get(), held.names.get());
    if (now && !are_same(now.get(), (held.*contents).get()))
      put(held.container.get(), held.names.get(), (held.*contents).get());
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
