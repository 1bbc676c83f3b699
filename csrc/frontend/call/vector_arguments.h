// Between the two shapes of a call's arguments: vectorcall arrays on the hot path, a tuple and a dict on the cold one.
#pragma once

#include <Python.h>

#include <vector>

#include "frontend/guards/python_value.h"

namespace braze {

/// New references; null with an error set.
inline PyObject* pack_positional(PyObject* const* args, size_t nargsf) {
  Py_ssize_t count = PyVectorcall_NARGS(nargsf);
  PyObject* tuple = PyTuple_New(count);
  for (Py_ssize_t i = 0; tuple && i < count; ++i) PyTuple_SET_ITEM(tuple, i, Py_NewRef(args[i]));
  return tuple;
}

inline PyObject* pack_keywords(PyObject* const* args, size_t nargsf, PyObject* keyword_names) {
  PyRef dict = PyRef::steal(PyDict_New());
  Py_ssize_t positional = PyVectorcall_NARGS(nargsf),
             count = keyword_names == nullptr ? 0 : PyTuple_GET_SIZE(keyword_names);
  for (Py_ssize_t i = 0; dict && i < count; ++i) {
    if (PyDict_SetItem(dict.get(), PyTuple_GET_ITEM(keyword_names, i), args[positional + i]) < 0) return nullptr;
  }
  return dict.release();
}

/// A tuple and a dict as vectorcall arguments, borrowed from them.
struct VectorArguments {
  std::vector<PyObject*> values;
  size_t positional;
  PyRef keyword_names;

  VectorArguments(PyObject* args, PyObject* kwargs) : positional(static_cast<size_t>(PyTuple_GET_SIZE(args))) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); ++i) values.push_back(PyTuple_GET_ITEM(args, i));
    if (kwargs == nullptr || PyDict_GET_SIZE(kwargs) == 0) return;
    keyword_names = PyRef::steal(PySequence_Tuple(kwargs));
    PyObject *key, *value;
    Py_ssize_t position = 0;
    while (PyDict_Next(kwargs, &position, &key, &value)) values.push_back(value);
  }
};

}  // namespace braze
