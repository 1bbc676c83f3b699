// Equality of immutable Python values by exact type and bits, without running any Python code.
#include "frontend/guards/python_value.h"

#include <torch/csrc/Device.h>
#include <torch/csrc/Dtype.h>
#include <torch/csrc/Layout.h>
#include <torch/csrc/MemoryFormat.h>
#include <torch/csrc/Size.h>

#include <cstring>

namespace braze {
namespace {

bool same_double(double a, double b) { return std::memcmp(&a, &b, sizeof a) == 0; }

bool same_items(PyObject* a, PyObject* b) {
  if (PyTuple_GET_SIZE(a) != PyTuple_GET_SIZE(b)) return false;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(a); ++i) {
    if (!same_value(PyTuple_GET_ITEM(a, i), PyTuple_GET_ITEM(b, i))) return false;
  }
  return true;
}

bool same_frozenset(PyObject* a, PyObject* b) {
  if (PySet_GET_SIZE(a) != PySet_GET_SIZE(b)) return false;
  PyRef left = PyRef::steal(PySequence_Tuple(a)), right = PyRef::steal(PySequence_Tuple(b));
  if (!left || !right) {
    PyErr_Clear();
    return false;
  }
  return same_items(left.get(), right.get());  // iteration order is part of what code can see
}

bool same_range(PyObject* a, PyObject* b) {
  for (const char* name : {"start", "stop", "step"}) {
    PyRef left = PyRef::steal(PyObject_GetAttrString(a, name)), right = PyRef::steal(PyObject_GetAttrString(b, name));
    if (!left || !right) {
      PyErr_Clear();
      return false;
    }
    if (!same_value(left.get(), right.get())) return false;
  }
  return true;
}

bool is_tuple_type(PyTypeObject* type) { return type == &PyTuple_Type || type == &THPSizeType; }

}  // namespace

ObjectRef::ObjectRef(PyObject* object) {
  holder_ = PyRef::steal(PyWeakref_NewRef(object, nullptr));
  weak_ = static_cast<bool>(holder_);
  if (!weak_) {
    PyErr_Clear();
    holder_ = PyRef::borrow(object);
  }
}

bool is_immutable_value(PyObject* object) {
  PyTypeObject* type = Py_TYPE(object);
  if (object == Py_None || object == Py_Ellipsis || object == Py_NotImplemented) return true;
  if (type == &PyLong_Type || type == &PyBool_Type || type == &PyFloat_Type || type == &PyUnicode_Type ||
      type == &PyBytes_Type || type == &PyComplex_Type || type == &PyRange_Type) {
    return true;
  }
  if (THPDtype_Check(object) || THPDevice_Check(object) || THPLayout_Check(object) || THPMemoryFormat_Check(object))
    return true;
  if (type == &PySlice_Type) {
    auto* slice = reinterpret_cast<PySliceObject*>(object);
    return is_immutable_value(slice->start) && is_immutable_value(slice->stop) && is_immutable_value(slice->step);
  }
  if (is_tuple_type(type)) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(object); ++i) {
      if (!is_immutable_value(PyTuple_GET_ITEM(object, i))) return false;
    }
    return true;
  }
  if (type == &PyFrozenSet_Type) {
    PyRef items = PyRef::steal(PySequence_Tuple(object));
    if (!items) PyErr_Clear();
    return items && is_immutable_value(items.get());
  }
  return false;
}

bool same_value(PyObject* a, PyObject* b) {
  if (a == b) return true;
  PyTypeObject* type = Py_TYPE(a);
  if (type != Py_TYPE(b)) return false;
  if (type == &PyFloat_Type) return same_double(PyFloat_AS_DOUBLE(a), PyFloat_AS_DOUBLE(b));
  if (type == &PyLong_Type || type == &PyUnicode_Type || type == &PyBytes_Type) {
    int equal = PyObject_RichCompareBool(a, b, Py_EQ);
    if (equal < 0) PyErr_Clear();
    return equal == 1;
  }
  if (type == &PyComplex_Type) {
    Py_complex x = PyComplex_AsCComplex(a), y = PyComplex_AsCComplex(b);
    return same_double(x.real, y.real) && same_double(x.imag, y.imag);
  }
  if (is_tuple_type(type)) return same_items(a, b);
  if (type == &PyFrozenSet_Type) return same_frozenset(a, b);
  if (type == &PyRange_Type) return same_range(a, b);
  if (type == &PySlice_Type) {
    auto *x = reinterpret_cast<PySliceObject*>(a), *y = reinterpret_cast<PySliceObject*>(b);
    return same_value(x->start, y->start) && same_value(x->stop, y->stop) && same_value(x->step, y->step);
  }
  if (THPDevice_Check(a)) {
    return reinterpret_cast<THPDevice*>(a)->device == reinterpret_cast<THPDevice*>(b)->device;
  }
  return false;
}

std::optional<int64_t> integer_of(PyObject* object) {
  if (!PyLong_CheckExact(object)) return std::nullopt;
  int overflow = 0;
  const int64_t value = PyLong_AsLongLongAndOverflow(object, &overflow);
  return overflow == 0 ? std::optional<int64_t>(value) : std::nullopt;
}

std::string describe_value(PyObject* object) {
  PyRef text = PyRef::steal(is_immutable_value(object) ? PyObject_Repr(object) : nullptr);
  const char* utf8 = text ? PyUnicode_AsUTF8(text.get()) : nullptr;
  std::string result = utf8 ? utf8 : std::string("<") + Py_TYPE(object)->tp_name + ">";
  PyErr_Clear();
  if (result.size() > 60) result = result.substr(0, 57) + "...";
  return result;
}

}  // namespace braze
