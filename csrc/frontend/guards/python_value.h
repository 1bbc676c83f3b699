// Owned Python references and the equality of immutable Python values, shared by all guards.
#pragma once

#include <Python.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace braze {

/// An owned reference. Made, copied and destroyed only with the GIL held.
class PyRef {
 public:
  PyRef() = default;
  PyRef(const PyRef& other) : object_(Py_XNewRef(other.object_)) {}
  PyRef(PyRef&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  PyRef& operator=(PyRef other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~PyRef() { Py_XDECREF(object_); }

  static PyRef steal(PyObject* object) {
    PyRef ref;
    ref.object_ = object;
    return ref;
  }
  static PyRef borrow(PyObject* object) { return steal(Py_XNewRef(object)); }

  PyObject* get() const { return object_; }
  PyObject* release() { return std::exchange(object_, nullptr); }
  explicit operator bool() const { return object_ != nullptr; }

  int visit(visitproc visit, void* arg) const { return object_ ? visit(object_, arg) : 0; }

 private:
  PyObject* object_ = nullptr;
};

/// An object held without keeping it alive where its type allows a weak reference, owned otherwise.
class ObjectRef {
 public:
  ObjectRef() = default;
  explicit ObjectRef(PyObject* object);

  /// The object, borrowed; null once it has died.
  PyObject* get() const {
    if (!weak_) return holder_.get();
    PyObject* object = PyWeakref_GET_OBJECT(holder_.get());
    return object == Py_None ? nullptr : object;
  }
  bool is_weak() const { return weak_; }
  int visit(visitproc visit, void* arg) const { return holder_.visit(visit, arg); }

 private:
  PyRef holder_;
  bool weak_ = false;
};

/// Types whose values never change: numbers, text, bytes, None, ranges, slices, tuples and frozensets of such, and
/// PyTorch's dtype, device, layout and memory format. An object of such a type is interchangeable with one that is
/// `same_value`.
bool is_immutable_value(PyObject* object);

/// Equal in exact type and in every bit: 1, 1.0 and True differ, so do 0.0 and -0.0; a NaN equals the same NaN.
/// Objects that are no immutable values are equal only to themselves. Runs no Python code.
bool same_value(PyObject* a, PyObject* b);

/// The value of an int (no subclass of it, no bool) that fits.
std::optional<int64_t> integer_of(PyObject* object);

/// A short repr for explain: never raises, and cut to a line.
std::string describe_value(PyObject* object);

}  // namespace braze
