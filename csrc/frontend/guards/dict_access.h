// Items of dicts and attributes of objects, in the order that iteration gives, without running any code of a subclass.
#pragma once

#include <Python.h>

#include "frontend/guards/python_value.h"

namespace braze {

/// The dict itself, or the one of an instance's attributes; null when there is none (borrowed).
PyObject* dict_of(PyObject* container);

/// A tuple of the keys; null with a Python error set. An OrderedDict has an order of its own.
PyRef keys_of(PyObject* dict);

/// Both return -1 with a Python error set where they fail.
int set_item(PyObject* dict, PyObject* key, PyObject* value);
int remove_item(PyObject* dict, PyObject* key);

void clear_items(PyObject* dict);

}  // namespace braze
