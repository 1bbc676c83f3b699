#include "frontend/guards/dict_access.h"

#include "frontend/guards/cpython_objects.h"

namespace braze {

PyObject* dict_of(PyObject* container) {
  if (PyDict_Check(container)) return container;
  PyObject** slot = cpython::dict_slot(container);
  return slot != nullptr ? *slot : nullptr;
}

PyRef keys_of(PyObject* dict) {
  PyRef iterator = PyRef::steal((PyODict_Check(dict) ? PyODict_Type : PyDict_Type).tp_iter(dict));
  return PyRef::steal(iterator ? PySequence_Tuple(iterator.get()) : nullptr);
}

int set_item(PyObject* dict, PyObject* key, PyObject* value) {
  return PyODict_Check(dict) ? PyODict_SetItem(dict, key, value) : PyDict_SetItem(dict, key, value);
}

int remove_item(PyObject* dict, PyObject* key) {
  return PyODict_Check(dict) ? PyODict_DelItem(dict, key) : PyDict_DelItem(dict, key);
}

void clear_items(PyObject* dict) {
  if (!PyODict_Check(dict)) return PyDict_Clear(dict);
  PyRef nothing = PyRef::steal(PyObject_CallMethod(dict, "clear", nullptr));
  PyErr_Clear();
}

}  // namespace braze
