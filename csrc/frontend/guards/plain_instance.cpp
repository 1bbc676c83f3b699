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

PyTypeObject* named_class(const char* module, const char* name) {
  PyRef package = PyRef::steal(PyImport_ImportModule(module));
  PyObject* found = package ? PyObject_GetAttrString(package.get(), name) : nullptr;
  PyErr_Clear();
  return reinterpret_cast<PyTypeObject*>(found);
}

PyTypeObject* module_class() {
  static PyTypeObject* const cls = named_class("torch.nn", "Module");
  return cls;
}

}  // namespace

PyTypeObject* plain_base(PyTypeObject* type) {
  static PyTypeObject* const simple_namespace = named_class("types", "SimpleNamespace");
  if (type == simple_namespace) return &PyBaseObject_Type;
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
  PyTypeObject* base = PyDict_CheckExact(object) ? nullptr : PyODict_CheckExact(object) ? type : plain_base(type);
  if (base == nullptr || PyType_Check(object)) return false;
  if (base != &PyBaseObject_Type) return true;
  return module_class() != nullptr && !PyType_IsSubtype(type, module_class()) &&
         _PyObject_GetDictPtr(object) != nullptr;
}

}  // namespace braze
