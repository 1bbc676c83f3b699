// Argument specs for calls that differ in sizes and numbers: made from those of two calls, and the places of the
// numbers.
#include "frontend/guards/arguments.h"
#include "frontend/guards/cpython_objects.h"

namespace braze {

/// Whether the specs have the same structure.
bool ArgumentSpec::alike(const ArgumentSpec& a, const ArgumentSpec& b) {
  auto same = [](const PyRef& x, const PyRef& y) {
    return x.get() == y.get() || (x && y && same_value(x.get(), y.get()));
  };
  return a.nodes_.size() == b.nodes_.size() && a.paths_ == b.paths_ && a.container_pattern_ == b.container_pattern_ &&
         a.positional_ == b.positional_ && a.keyword_nodes_ == b.keyword_nodes_ && a.symbols_.empty() &&
         b.symbols_.empty() && a.keyword_order_matters_ == b.keyword_order_matters_ &&
         a.attributes_matter_ == b.attributes_matter_ && same(a.keyword_names_, b.keyword_names_);
}

/// Whether they ask the same of one leaf, where that is no tensor.
bool ArgumentSpec::alike(const ArgumentSpec& a, const ArgumentSpec& b, size_t node) {
  const Node &x = a.nodes_[node], &y = b.nodes_[node];
  const bool same = x.value.get() == y.value.get() || (x.value && y.value && same_value(x.value.get(), y.value.get()));
  if (x.kind != y.kind || x.index != y.index || x.type != y.type || !same) return false;
  if (x.kind == Kind::Owner) return a.owners_[x.index].get() == b.owners_[y.index].get();
  return x.kind != Kind::Object || (a.objects_[x.index].get() == b.objects_[y.index].get() && !a.is_dead());
}

std::unique_ptr<ArgumentSpec> ArgumentSpec::generalise(const ArgumentSpec& a, const ArgumentSpec& b) {
  if (!alike(a, b)) return nullptr;
  std::unique_ptr<ArgumentSpec> spec(new ArgumentSpec(b));
  if (!TensorSpecs::generalise(a.tensors_, b.tensors_, spec->tensors_, spec->symbols_)) return nullptr;
  for (size_t n = 0; n < a.nodes_.size(); ++n) {
    if (alike(a, b, n)) continue;
    const Node &x = a.nodes_[n], &y = b.nodes_[n];
    if (x.kind != Kind::Value || y.kind != Kind::Value) return nullptr;
    auto first = integer_of(x.value.get()), second = integer_of(y.value.get());
    if (!first || !second || !TensorSpecs::may_vary(*first, *second)) return nullptr;
    Node& open = spec->nodes_[n];
    open.kind = Kind::Number;
    open.index = TensorSpecs::symbol_of(*first, *second, spec->symbols_);
    open.value = PyRef();
  }
  return spec->symbols_.empty() ? nullptr : std::move(spec);
}

std::unique_ptr<ArgumentSpec> ArgumentSpec::with_any_floats(const ArgumentSpec& a, const ArgumentSpec& b) {
  if (!alike(a, b) || !a.tensors_.same_as(b.tensors_)) return nullptr;
  std::unique_ptr<ArgumentSpec> spec(new ArgumentSpec(b));
  bool differ = false;
  for (size_t n = 0; n < a.nodes_.size(); ++n) {
    if (alike(a, b, n)) continue;
    const Node &x = a.nodes_[n], &y = b.nodes_[n];
    if (x.kind != Kind::Value || y.kind != Kind::Value || !PyFloat_CheckExact(x.value.get()) ||
        !PyFloat_CheckExact(y.value.get()))
      return nullptr;
    spec->nodes_[n].kind = Kind::AnyFloat;
    spec->nodes_[n].value = PyRef();
    differ = true;
  }
  return differ ? std::move(spec) : nullptr;
}

/// Follows the nodes along the arguments, as the matcher does, and puts other objects in the places of numbers.
class ArgumentSpec::Substituter {
 public:
  Substituter(const ArgumentSpec& spec, const std::vector<PyObject*>& values, std::vector<Substitute>& inside)
      : spec_(spec), values_(values), inside_(inside) {}

  /// The object itself, or what is to be in its place.
  PyRef at(PyObject* object) {
    const Node& node = spec_.nodes_[cursor_++];
    switch (node.kind) {
      case Kind::Number: return PyRef::borrow(values_[node.index]);
      case Kind::Tuple: return tuple(object, node);
      case Kind::KeptTuple: ++containers_; return tuple(object, node);
      case Kind::List: {
        const size_t container = containers_++;
        for (uint32_t i = 0; i < node.index; ++i)
          put(container, PyRef::steal(PyLong_FromUnsignedLong(i)), PyList_GET_ITEM(object, i));
        break;
      }
      case Kind::Dict: items(object, node); break;
      case Kind::Mapping:
        items(object, node);
        if (_PyObject_GetDictPtr(object) != nullptr) at(object);
        break;
      case Kind::Instance: {
        PyObject** slot = cpython::dict_slot(object);
        if (slot == nullptr || *slot == nullptr)
          ++containers_;
        else
          items(*slot, node);
        break;
      }
      default: break;
    }
    return PyRef::borrow(object);
  }

  void place() {
    const Node& node = spec_.nodes_[cursor_++];
    PyObject* owner = spec_.owners_[node.index].get();
    if (!node.value) {
      at(owner);
      return;
    }
    const size_t container = containers_++;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(node.value.get()); ++i) {
      PyObject* name = PyTuple_GET_ITEM(node.value.get(), i);
      if (PyObject* value = entry_of(owner, name))
        put(container, PyRef::borrow(name), value);
      else
        ++cursor_;
    }
  }

  bool fits = true;

 private:
  void put(size_t container, PyRef key, PyObject* object) {
    PyRef value = at(object);
    if (value.get() != object) inside_.push_back({container, std::move(key), std::move(value)});
  }

  void items(PyObject* dict, const Node& node) {
    const size_t container = containers_++;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(node.value.get()); ++i) {
      PyObject* key = PyTuple_GET_ITEM(node.value.get(), i);
      put(container, PyRef::borrow(key), PyDict_GetItemWithError(dict, key));
    }
  }

  PyRef tuple(PyObject* object, const Node& node) {
    PyRef made = PyRef::steal(PyTuple_New(node.index));
    bool differs = false;
    for (uint32_t i = 0; i < node.index; ++i) {
      PyRef item = at(PyTuple_GET_ITEM(object, i));
      differs |= item.get() != PyTuple_GET_ITEM(object, i);
      PyTuple_SET_ITEM(made.get(), i, item.release());
    }
    fits &= !differs || PyTuple_CheckExact(object);
    return differs && fits ? made : PyRef::borrow(object);
  }

  const ArgumentSpec& spec_;
  const std::vector<PyObject*>& values_;
  std::vector<Substitute>& inside_;
  size_t cursor_ = 0, containers_ = 0;
};

bool ArgumentSpec::substitute(PyObject* args, PyObject* kwargs, const std::vector<PyObject*>& values, PyRef& new_args,
                              PyRef& new_kwargs, std::vector<Substitute>& inside) const {
  Substituter substituter(*this, values, inside);
  new_args = PyRef::steal(PyTuple_New(PyTuple_GET_SIZE(args)));
  new_kwargs = PyRef::steal(PyDict_Copy(kwargs));
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args); ++i)
    PyTuple_SET_ITEM(new_args.get(), i, substituter.at(PyTuple_GET_ITEM(args, i)).release());
  for (Py_ssize_t i = 0; keyword_names_ && i < PyTuple_GET_SIZE(keyword_names_.get()); ++i) {
    PyObject* name = PyTuple_GET_ITEM(keyword_names_.get(), i);
    PyRef value = substituter.at(PyDict_GetItemWithError(kwargs, name));
    PyDict_SetItem(new_kwargs.get(), name, value.get());
  }
  for (size_t i = 0; i < owners_.size(); ++i) substituter.place();
  return substituter.fits;
}

}  // namespace braze
