// The layouts of CPython objects the guards read directly, for the versions we build on. A self-test at import refuses
// a Python that differs.
#pragma once

#include <Python.h>

namespace braze::cpython {

/// The word that holds the version tag, and from Python 3.12 on, in its low bits, who watches the dict.
inline const uint64_t* version_word(const PyDictObject* dict) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  return &dict->ma_version_tag;
#pragma GCC diagnostic pop
}

/// Whether nothing but the tag is in that word, so that it only grows.
inline constexpr bool kVersionWordIsTag = PY_VERSION_HEX < 0x030C0000;

/// Grows, to a number that is unique in the process, with every change of the dict (PEP 509).
inline uint64_t version_tag(const PyDictObject* dict) {
  return kVersionWordIsTag ? *version_word(dict) : *version_word(dict) & ~uint64_t{0xFF};
}

/// The counter in an OrderedDict that every change of its order increments; see struct _odictobject.
inline const size_t* order_counter(PyObject* ordered_dict) {
  struct OrderedDictLayout {
    PyDictObject dict;
    void *first, *last, **fast_nodes;
    Py_ssize_t fast_nodes_size;
    void* resize_sentinel;
    size_t state;
  };
  return &reinterpret_cast<OrderedDictLayout*>(ordered_dict)->state;
}

/// The address of the object's __dict__ slot, with the dict made if the values were kept inline; null when its type has
/// none.
inline PyObject** dict_slot(PyObject* object) { return _PyObject_GetDictPtr(object); }

/// Whether an instance whose type has a managed __dict__ (any class made by a class statement) has no attributes. Makes
/// no dict.
bool has_no_attributes(PyObject* object);

/// As has_no_attributes, but for the marks torch._dynamo leaves on tensors it has seen: those change no result.
bool has_no_own_attributes(PyObject* object);

/// Whether version tags and order counters move as assumed. False with `what` naming the assumption that does not hold.
bool layouts_hold(const char** what);

}  // namespace braze::cpython
