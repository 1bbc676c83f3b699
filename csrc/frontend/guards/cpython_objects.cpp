// The self-test of the CPython layouts the guards rely on.
#include "frontend/guards/cpython_objects.h"

#include <cstring>

#include "frontend/guards/python_value.h"

namespace braze::cpython {
namespace {

/// The head of struct _dictkeysobject, up to the number of entries in use.
struct DictKeysLayout {
  Py_ssize_t references;
  uint8_t log2_size, log2_index_bytes, kind;
  uint32_t version;
  Py_ssize_t usable, entries;
};

/// The inline values of an instance, or null; and its dict, or null.
struct ManagedDict {
  PyObject** values;
  PyObject* dict;
};

ManagedDict managed_dict(PyObject* object) {
  auto* header = reinterpret_cast<uintptr_t*>(object);
#if PY_VERSION_HEX >= 0x030C0000
  uintptr_t word = header[-3];  // a dict, or values tagged by their lowest bit
  if (word & 1) return {reinterpret_cast<PyObject**>(word + 1), nullptr};
  return {nullptr, reinterpret_cast<PyObject*>(word)};
#else
  return {reinterpret_cast<PyObject**>(header[-4]), reinterpret_cast<PyObject*>(header[-3])};
#endif
}

bool tags_move() {
  PyRef dict = PyRef::steal(PyDict_New()), other = PyRef::steal(PyDict_New());
  auto* raw = reinterpret_cast<PyDictObject*>(dict.get());
  uint64_t start = version_tag(raw);
  PyDict_SetItemString(dict.get(), "a", Py_None);
  uint64_t inserted = version_tag(raw);
  PyDict_SetItemString(dict.get(), "a", Py_True);
  uint64_t replaced = version_tag(raw);
  PyDict_DelItemString(dict.get(), "a");
  uint64_t deleted = version_tag(raw);
  return start != inserted && inserted != replaced && replaced != deleted &&
         version_tag(reinterpret_cast<PyDictObject*>(other.get())) != deleted;
}

bool order_moves() {
  PyRef dict = PyRef::steal(PyODict_New());
  PyODict_SetItem(dict.get(), Py_True, Py_None);
  PyODict_SetItem(dict.get(), Py_False, Py_None);
  size_t before = *order_counter(dict.get());
  PyRef moved = PyRef::steal(PyObject_CallMethod(dict.get(), "move_to_end", "O", Py_True));
  return moved && *order_counter(dict.get()) > before && *order_counter(dict.get()) < before + 4;
}

bool attributes_show() {
  PyRef type = PyRef::steal(PyObject_CallFunction(reinterpret_cast<PyObject*>(&PyType_Type), "s(){}", "Probe"));
  PyRef first = PyRef::steal(type ? PyObject_CallNoArgs(type.get()) : nullptr),
        second = PyRef::steal(type ? PyObject_CallNoArgs(type.get()) : nullptr);
  if (!first || !second || !has_no_attributes(first.get())) return false;
  PyObject_SetAttrString(first.get(), "a", Py_None);
  if (has_no_attributes(first.get()) || !has_no_attributes(second.get())) return false;
  PyRef dict = PyRef::steal(PyObject_GetAttrString(first.get(), "__dict__"));
  if (!dict || has_no_attributes(first.get())) return false;
  PyDict_Clear(dict.get());
  return has_no_attributes(first.get());
}

}  // namespace

bool has_no_attributes(PyObject* object) {
  PyTypeObject* type = Py_TYPE(object);
  if (!PyType_HasFeature(type, Py_TPFLAGS_MANAGED_DICT)) {
    PyObject** dict = _PyObject_GetDictPtr(object);
    return dict == nullptr || *dict == nullptr || PyDict_GET_SIZE(*dict) == 0;
  }
  ManagedDict managed = managed_dict(object);
  if (managed.dict != nullptr) return PyDict_GET_SIZE(managed.dict) == 0;
  if (managed.values == nullptr) return true;
  auto* keys = reinterpret_cast<const DictKeysLayout*>(reinterpret_cast<PyHeapTypeObject*>(type)->ht_cached_keys);
  for (Py_ssize_t i = 0; keys != nullptr && i < keys->entries; ++i) {
    if (managed.values[i] != nullptr) return false;
  }
  return true;
}

bool has_no_own_attributes(PyObject* object) {
  if (has_no_attributes(object)) return true;
  PyObject** dict = dict_slot(object);
  if (dict == nullptr || *dict == nullptr) return false;
  PyObject* name = nullptr;
  for (Py_ssize_t position = 0; PyDict_Next(*dict, &position, &name, nullptr);) {
    const char* text = PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : nullptr;
    if (text == nullptr || std::strncmp(text, "_dynamo_", 8) != 0) {
      PyErr_Clear();
      return false;
    }
  }
  return true;
}

bool layouts_hold(const char** what) {
  bool tags = tags_move(), order = order_moves(), attributes = attributes_show();
  PyErr_Clear();
  *what = !tags         ? "dict version tags"
          : !order      ? "order counter of OrderedDict"
          : !attributes ? "instance attributes"
                        : nullptr;
  return tags && order && attributes;
}

}  // namespace braze::cpython
