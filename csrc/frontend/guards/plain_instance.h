// Which instances are all in their __dict__ (and, for dicts, their items), so that they can be looked into and made
// anew.
#pragma once

#include <Python.h>

namespace braze {

/// The builtin type (object, dict or OrderedDict) whose memory layout and constructor an instance of `type` has; null
/// when its class makes instances by Python code or C, or keeps state in slots.
PyTypeObject* plain_base(PyTypeObject* type);

/// An instance whose attributes and items alone say what it is: of a plain class that is no torch.nn.Module.
bool is_plain_object(PyObject* object);

}  // namespace braze
