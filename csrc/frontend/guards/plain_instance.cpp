#include "frontend/guards/plain_instance.h"

#include "frontend/guards/python_value.h"

namespace braze {
namespace {

bool has_slots(PyTypeObject* type) {
  PyRef mro = PyRef::borrow(type->tp_mro);
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(mro.get()); ++i) {
    auto* cls = reinterpret_cast<PyTypeObject*>(PyTuple_GET_ITEM(mro.get(), i));
    if (!PyType_HasFeature(cls, Py_TPFLAGS_HEAPTYPE)) continue;
    PyRef slots = PyRef::steal(PyObject_GetAttrString(reinterpret_cast<PyObject*>(cls), "__slots__"));
    PyErr_Clear();
    if (slots && PyObject_Length(slots.get()) > 0) return true;
    PyErr_Clear();
  }
  return false;
}

PyTypeObject* module_class() {
  static PyObject* cls = [] {
    PyRef package = PyRef::steal(PyImport_ImportModule("torch.nn"));
    PyObject* found = package ? PyObject_GetAttrString(package.get(), "Module") : nullptr;
    PyErr_Clear();
    return found;
  }();
  return reinterpret_cast<PyTypeObject*>(cls);
}

}  // namespace

PyTypeObject* plain_base(PyTypeObject* type) {
  if (!PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE)) return nullptr;
  for (PyTypeObject* base : {&PyODict_Type, &PyDict_Type, &PyBaseObject_Type}) {
    if (!PyType_IsSubtype(type, base)) continue;
    // At most a __dict__ and weak references beside it, where the class keeps them inside its instances: any other
    // field is state of a C type (defaultdict's factory).
    Py_ssize_t fields = base->tp_basicsize;
    if (type->tp_dictoffset > 0) fields += static_cast<Py_ssize_t>(sizeof(PyObject*));
    if (type->tp_weaklistoffset > 0) fields += static_cast<Py_ssize_t>(sizeof(PyObject*));
    bool plain = type->tp_new == base->tp_new && type->tp_itemsize == 0 && type->tp_basicsize <= fields;
    return plain && !has_slots(type) ? base : nullptr;
  }
  return nullptr;
}

bool is_plain_object(PyObject* object) {
  PyTypeObject* type = Py_TYPE(object);
  return plain_base(type) == &PyBaseObject_Type && !PyType_Check(object) && module_class() != nullptr &&
         !PyType_IsSubtype(type, module_class()) && _PyObject_GetDictPtr(object) != nullptr;
}

}  // namespace braze
