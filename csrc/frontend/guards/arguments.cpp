// Argument specs: built from a recorded call, matched against a vectorcall without allocating.
#include "frontend/guards/arguments.h"

#include <torch/csrc/autograd/python_variable.h>

#include <algorithm>
#include <unordered_set>

#include "frontend/guards/cpython_objects.h"
#include "frontend/guards/dict_access.h"
#include "frontend/guards/plain_instance.h"

namespace braze {
namespace {

constexpr size_t most_nodes = 4096;

/// Items of a tuple type are all there is to it: no instance dict beside them.
bool is_plain_tuple(PyObject* object) {
  return PyTuple_Check(object) && (PyTuple_CheckExact(object) || _PyObject_GetDictPtr(object) == nullptr);
}

/// An OrderedDict has an order of its own, which is the dict's until something is moved.
bool is_in_one_order(PyObject* dict) {
  if (!PyODict_Check(dict)) return true;
  PyRef keys = keys_of(dict);
  PyObject* key = nullptr;
  Py_ssize_t position = 0, i = 0;
  while (keys && PyDict_Next(dict, &position, &key, nullptr))
    if (i >= PyTuple_GET_SIZE(keys.get()) || PyTuple_GET_ITEM(keys.get(), i++) != key) return false;
  return static_cast<bool>(keys);
}

bool is_singleton(PyObject* object) {
  return object == Py_None || object == Py_True || object == Py_False || object == Py_Ellipsis ||
         object == Py_NotImplemented;
}

}  // namespace

PyObject* entry_of(PyObject* owner, PyObject* name) {
  if (PyCell_Check(owner)) return PyCell_GET(owner);
  PyObject** slot = PyDict_CheckExact(owner) ? &owner : cpython::dict_slot(owner);
  return slot == nullptr || *slot == nullptr ? nullptr : PyDict_GetItemWithError(*slot, name);
}

class ArgumentSpec::Builder {
 public:
  Builder(ArgumentSpec& spec, const std::unordered_set<std::string>& by_structure,
          const std::unordered_set<std::string>& by_identity, Refusal& refusal)
      : spec_(spec),
        by_structure_(by_structure),
        by_identity_(by_identity),
        refusal_(refusal),
        structural_(by_structure.count("*") > 0) {}

  bool add(PyObject* object, const std::string& path) {
    if (spec_.nodes_.size() >= most_nodes) return refuse("more than 4096 values in the arguments");
    auto path_index = static_cast<uint32_t>(spec_.paths_.size());
    spec_.paths_.push_back(path);
    Node node{Kind::Same, 0, Py_TYPE(object), PyRef(), path_index};
    if (THPVariable_CheckExact(object)) {
      if (spec_.has_attributes(object)) return refuse(path + " is a tensor with attributes set by Python");
      node.kind = Kind::Tensor;
      node.index = static_cast<uint32_t>(spec_.tensors_.size());
      if (!spec_.tensors_.add(THPVariable_Unpack(object), refusal_)) {
        refusal_.detail = path + " is " + refusal_.detail;
        return false;
      }
      spec_.nodes_.push_back(node);
      return true;
    }
    if (THPVariable_Check(object)) {
      refusal_ = {"tensor_kind", path + " is a " + Py_TYPE(object)->tp_name};
      return false;
    }
    if (is_immutable_value(object) && !(PyTuple_Check(object) && PyTuple_GET_SIZE(object) > 0)) {
      node.kind = is_singleton(object) ? Kind::Same : Kind::Value;
      node.value = PyRef::borrow(object);
      spec_.nodes_.push_back(std::move(node));
      return true;
    }
    if (is_plain_tuple(object)) {
      const bool kept = by_structure_.count(path) > 0 || by_structure_.count("*") > 0;
      return add_sequence(object, kept ? Kind::KeptTuple : Kind::Tuple, std::move(node));
    }
    const bool as_object = by_identity_.count(path) > 0;
    if (PyList_CheckExact(object) && !as_object) return add_sequence(object, Kind::List, std::move(node));
    if (PyDict_CheckExact(object) && !as_object) return add_dict(object, object, Kind::Dict, std::move(node));
    if (!as_object && (structural_ || by_structure_.count(path) > 0) && is_plain_object(object) &&
        add_instance(object, node))
      return true;
    node.kind = Kind::Object;
    node.index = static_cast<uint32_t>(spec_.objects_.size());
    spec_.objects_.emplace_back(object);
    spec_.object_paths_.push_back(path_index);
    spec_.nodes_.push_back(std::move(node));
    return true;
  }

  bool add_place(const Place& place) {
    auto path = static_cast<uint32_t>(spec_.paths_.size());
    spec_.paths_.push_back(place.path);
    PyObject* owner = place.owner.get();
    Node node{Kind::Owner, static_cast<uint32_t>(spec_.owners_.size()), Py_TYPE(owner), place.names, path};
    spec_.owners_.emplace_back(owner);
    owner_ = owner;
    if (!place.names) {
      spec_.nodes_.push_back(std::move(node));
      structural_ = true;
      const bool added = add(owner, place.path);
      structural_ = false;
      return added;
    }
    if (!enter(owner, node)) return false;
    open_.erase(owner);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(place.names.get()); ++i) {
      PyObject* name = PyTuple_GET_ITEM(place.names.get(), i);
      PyObject* value = entry_of(owner, name);
      std::string inside = place.path + "." + PyUnicode_AsUTF8(name);
      if (value != nullptr && PyLong_CheckExact(value) && PySequence_Contains(place.counters.get(), name) == 1) {
        add_bare(Kind::Integer, inside);
      } else if (value == nullptr) {
        add_bare(Kind::Absent, inside);
      } else if (!add(value, inside)) {
        return false;
      }
    }
    return true;
  }

 private:
  void add_bare(Kind kind, const std::string& path) {
    spec_.paths_.push_back(path);
    spec_.nodes_.push_back({kind, 0, nullptr, PyRef(), static_cast<uint32_t>(spec_.paths_.size() - 1)});
  }

  bool refuse(const std::string& detail) {
    refusal_ = {"argument_structure", detail};
    return false;
  }

  bool enter(PyObject* object, Node node) {
    spec_.types_.push_back(PyRef::borrow(reinterpret_cast<PyObject*>(node.type)));
    if (!open_.insert(object).second) return refuse(spec_.paths_[node.path] + " contains itself");
    if (node.kind != Kind::Tuple) {
      uint32_t first = 0;
      while (first < containers_.size() && containers_[first] != object) ++first;
      containers_.push_back(object);
      spec_.container_pattern_.push_back(first);
      spec_.container_is_owner_.push_back(object == owner_);
    }
    spec_.nodes_.push_back(std::move(node));
    return true;
  }

  bool add_sequence(PyObject* object, Kind kind, Node node) {
    Py_ssize_t size = PySequence_Fast_GET_SIZE(object);
    std::string path = spec_.paths_[node.path];
    node.kind = kind;
    node.index = static_cast<uint32_t>(size);
    if (!enter(object, std::move(node))) return false;
    for (Py_ssize_t i = 0; i < size; ++i) {
      if (!add(PySequence_Fast_GET_ITEM(object, i), path + "[" + std::to_string(i) + "]")) return false;
    }
    open_.erase(object);
    return true;
  }

  /// False, with nothing added, when something inside is not vouched for: then the object is matched by identity.
  bool add_instance(PyObject* object, const Node& node) {
    const Size before = size();
    const auto open = open_;
    const bool outer = std::exchange(structural_, true);
    PyObject** slot = cpython::dict_slot(object);
    bool added = !PyDict_Check(object) || (is_in_one_order(object) && add_dict(object, object, Kind::Mapping, node));
    PyRef none_yet = PyRef::steal(PyDict_New());
    if (slot != nullptr) added = added && add_dict(object, *slot ? *slot : none_yet.get(), Kind::Instance, node);
    structural_ = outer;
    if (added) return true;
    refusal_ = {};
    open_ = open;
    shrink_to(before);
    return false;
  }

  struct Size {
    size_t nodes, paths, tensors, objects, types, pattern;
  };
  Size size() const {
    return {spec_.nodes_.size(),   spec_.paths_.size(), spec_.tensors_.size(),
            spec_.objects_.size(), spec_.types_.size(), containers_.size()};
  }
  void shrink_to(const Size& size) {
    spec_.nodes_.resize(size.nodes);
    spec_.paths_.resize(size.paths);
    spec_.tensors_.truncate(size.tensors);
    spec_.objects_.resize(size.objects);
    spec_.object_paths_.resize(size.objects);
    spec_.types_.resize(size.types);
    spec_.container_pattern_.resize(size.pattern);
    spec_.container_is_owner_.resize(size.pattern);
    containers_.resize(size.pattern);
  }

  /// The items of `dict`: those of `object` itself, or its attributes.
  bool add_dict(PyObject* object, PyObject* dict, Kind kind, Node node) {
    std::string path = spec_.paths_[node.path];
    node.kind = kind;
    node.index = static_cast<uint32_t>(PyDict_GET_SIZE(dict));
    node.value = keys_of(dict);
    PyObject* keys = node.value.get();
    if (!enter(object, std::move(node))) return false;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(keys); ++i) {
      PyObject* key = PyTuple_GET_ITEM(keys, i);
      if (!is_immutable_value(key)) return refuse(path + " has a key that is no plain value: " + describe_value(key));
      std::string place = kind == Kind::Instance && PyUnicode_Check(key) ? "." + std::string(PyUnicode_AsUTF8(key))
                                                                         : "[" + describe_value(key) + "]";
      if (!add(PyDict_GetItemWithError(dict, key), path + place)) return false;
    }
    open_.erase(object);
    return true;
  }

  ArgumentSpec& spec_;
  const std::unordered_set<std::string>&by_structure_, &by_identity_;
  Refusal& refusal_;
  std::unordered_set<PyObject*> open_;
  std::vector<PyObject*> containers_;
  PyObject* owner_ = nullptr;  // of the place that is being added
  bool structural_;            // inside an object that is matched by structure
};

/// Walks the recorded nodes along the objects of a call. After a mismatch `node` is where it was.
class ArgumentSpec::Matcher {
 public:
  Matcher(const ArgumentSpec& spec, CallInputs& inputs) : spec_(spec), inputs_(inputs) {}

  bool match(PyObject* object, bool nested) {
    const Node& node = spec_.nodes_[cursor];
    ++cursor;
    switch (node.kind) {
      case Kind::Tensor: {
        if (Py_TYPE(object) != node.type || spec_.has_attributes(object)) return false;
        at::TensorImpl* tensor = THPVariable_Unpack(object).unsafeGetTensorImpl();
        if (!spec_.tensors_.check(node.index, tensor, inputs_.symbols.data())) return false;
        inputs_.tensors.push_back(tensor);
        if (nested) inputs_.held.push_back(Py_NewRef(object));
        return true;
      }
      case Kind::Same: return object == node.value.get();
      case Kind::Value: return same_value(object, node.value.get());
      case Kind::Number: {
        auto number = integer_of(object);
        return number && TensorSpecs::takes(*number, inputs_.symbols[node.index]);
      }
      case Kind::AnyFloat: return PyFloat_CheckExact(object);
      case Kind::Object: return object == spec_.objects_[node.index].get();
      case Kind::Tuple:
      case Kind::KeptTuple:
        if (Py_TYPE(object) != node.type || PyTuple_GET_SIZE(object) != node.index) return false;
        if (node.kind == Kind::KeptTuple && !enter(object)) return false;
        for (uint32_t i = 0; i < node.index; ++i) {
          if (!match(PyTuple_GET_ITEM(object, i), nested)) return false;
        }
        return true;
      case Kind::List:
        if (!PyList_CheckExact(object) || !enter(object) || PyList_GET_SIZE(object) != node.index) return false;
        for (uint32_t i = 0; i < node.index; ++i) {
          if (!match(PyList_GET_ITEM(object, i), true)) return false;
        }
        return true;
      case Kind::Dict: return PyDict_CheckExact(object) && match_dict(object, object, node);
      case Kind::Mapping: {
        if (Py_TYPE(object) != node.type || !is_in_one_order(object) || !match_dict(object, object, node)) return false;
        return _PyObject_GetDictPtr(object) == nullptr || match(object, nested);
      }
      case Kind::Instance: {
        if (Py_TYPE(object) != node.type) return false;
        PyObject** slot = cpython::dict_slot(object);
        if (slot == nullptr || *slot == nullptr) return node.index == 0 && enter(object);
        return match_dict(object, *slot, node);
      }
      case Kind::Integer: return PyLong_CheckExact(object);
      case Kind::Owner:
      case Kind::Absent: break;
    }
    return false;
  }

  bool match_place() {
    const Node& node = spec_.nodes_[cursor++];
    PyObject* owner = spec_.owners_[node.index].get();
    if (owner == nullptr) return false;
    if (!node.value) return match(owner, true);
    if (!enter(owner)) return false;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(node.value.get()); ++i) {
      PyObject* value = entry_of(owner, PyTuple_GET_ITEM(node.value.get(), i));
      if (spec_.nodes_[cursor].kind == Kind::Absent) {
        if (value != nullptr) return false;
        ++cursor;
      } else if (value == nullptr || !match(value, true)) {
        return false;
      }
    }
    return true;
  }

  size_t cursor = 0;

 private:
  bool match_dict(PyObject* object, PyObject* dict, const Node& node) {
    if (PyDict_GET_SIZE(dict) != node.index || !enter(object)) return false;
    PyObject *key, *value;
    Py_ssize_t position = 0, i = 0;
    while (PyDict_Next(dict, &position, &key, &value)) {
      if (!same_value(key, PyTuple_GET_ITEM(node.value.get(), i++)) || !match(value, true)) return false;
    }
    return true;
  }

  bool enter(PyObject* object) {
    uint32_t first = 0;
    while (first < inputs_.containers.size() && inputs_.containers[first] != object) ++first;
    bool same = spec_.container_pattern_[inputs_.containers.size()] == first;
    inputs_.containers.push_back(object);
    return same;
  }

  const ArgumentSpec& spec_;
  CallInputs& inputs_;
};

std::unique_ptr<ArgumentSpec> ArgumentSpec::build(PyObject* args, PyObject* kwargs, bool keyword_order_matters,
                                                  bool attributes_matter,
                                                  const std::unordered_set<std::string>& by_structure,
                                                  const std::unordered_set<std::string>& by_identity,
                                                  const std::vector<Place>& places, Refusal& refusal) {
  std::unique_ptr<ArgumentSpec> spec(new ArgumentSpec);
  Builder builder(*spec, by_structure, by_identity, refusal);
  spec->positional_ = static_cast<size_t>(PyTuple_GET_SIZE(args));
  spec->keyword_order_matters_ = keyword_order_matters;
  spec->attributes_matter_ = attributes_matter;
  for (size_t i = 0; i < spec->positional_; ++i) {
    if (!builder.add(PyTuple_GET_ITEM(args, i), "args[" + std::to_string(i) + "]")) return nullptr;
  }
  if (kwargs != nullptr && PyDict_GET_SIZE(kwargs) > 0) {
    spec->keyword_names_ = PyRef::steal(PySequence_Tuple(kwargs));
    PyObject *key, *value;
    Py_ssize_t position = 0;
    while (PyDict_Next(kwargs, &position, &key, &value)) {
      spec->keyword_nodes_.push_back(static_cast<uint32_t>(spec->nodes_.size()));
      if (!builder.add(value, PyUnicode_AsUTF8(key))) return nullptr;
    }
  }
  for (const Place& place : places) {
    if (!builder.add_place(place)) return nullptr;
  }
  return spec;
}

bool ArgumentSpec::check(PyObject* const* args, size_t positional, PyObject* keyword_names, CallInputs& inputs) const {
  size_t keywords = keyword_names == nullptr ? 0 : static_cast<size_t>(PyTuple_GET_SIZE(keyword_names));
  if (positional != positional_ || keywords != keyword_nodes_.size()) return false;
  inputs.symbols.assign(symbols_.size(), 0);
  Matcher matcher(*this, inputs);
  for (size_t i = 0; i < positional; ++i) {
    if (!matcher.match(args[i], false)) return false;
  }
  for (size_t i = 0; i < keywords; ++i) {
    PyObject* name = PyTuple_GET_ITEM(keyword_names_.get(), i);
    size_t at = i;
    if (!same_value(PyTuple_GET_ITEM(keyword_names, at), name)) {
      if (keyword_order_matters_) return false;
      for (at = 0; at < keywords && !same_value(PyTuple_GET_ITEM(keyword_names, at), name);) ++at;
      if (at == keywords) return false;
    }
    if (!matcher.match(args[positional + at], false)) return false;
  }
  for (size_t i = 0; i < owners_.size(); ++i) {
    if (!matcher.match_place()) return false;
  }
  return true;
}

std::vector<std::pair<std::string, PyObject*>> ArgumentSpec::objects() const {
  std::vector<std::pair<std::string, PyObject*>> result;
  for (size_t i = 0; i < objects_.size(); ++i) {
    if (PyObject* object = objects_[i].get()) result.emplace_back(paths_[object_paths_[i]], object);
  }
  return result;
}

bool ArgumentSpec::is_dead() const {
  auto has_died = [](const ObjectRef& object) { return object.get() == nullptr; };
  return std::any_of(objects_.begin(), objects_.end(), has_died) ||
         std::any_of(owners_.begin(), owners_.end(), has_died);
}

std::vector<std::string> ArgumentSpec::container_paths() const {
  std::vector<std::string> paths;
  for (const Node& node : nodes_)
    if (node.kind == Kind::KeptTuple || node.kind == Kind::List || node.kind == Kind::Dict ||
        node.kind == Kind::Instance || node.kind == Kind::Mapping || (node.kind == Kind::Owner && node.value))
      paths.push_back(paths_[node.path]);
  return paths;
}

std::vector<std::string> ArgumentSpec::describe() const {
  std::vector<std::string> lines;
  for (const Node& node : nodes_) {
    const std::string& path = paths_[node.path];
    switch (node.kind) {
      case Kind::Tensor: lines.push_back(path + ": " + tensors_.describe(node.index)); break;
      case Kind::Same:
      case Kind::Value: lines.push_back(path + " == " + describe_value(node.value.get())); break;
      case Kind::Number: lines.push_back(path + " == s" + std::to_string(node.index)); break;
      case Kind::AnyFloat: lines.push_back(path + " is a float"); break;
      case Kind::Object: lines.push_back(path + " is the same " + node.type->tp_name); break;
      case Kind::Owner: lines.push_back(path + " is the same object"); break;
      case Kind::Absent: lines.push_back(path + " is not there"); break;
      case Kind::Integer: lines.push_back(path + " is an integer"); break;
      default: lines.push_back(path + ": " + node.type->tp_name + " of " + std::to_string(node.index)); break;
    }
  }
  return lines;
}

std::string ArgumentSpec::explain(PyObject* const* args, size_t positional, PyObject* keyword_names) const {
  size_t keywords = keyword_names == nullptr ? 0 : static_cast<size_t>(PyTuple_GET_SIZE(keyword_names));
  if (positional != positional_)
    return std::to_string(positional) + " positional arguments, not " + std::to_string(positional_);
  if (keywords != keyword_nodes_.size())
    return std::to_string(keywords) + " keyword arguments, not " + std::to_string(keyword_nodes_.size());
  CallInputs inputs;
  inputs.symbols.assign(symbols_.size(), 0);
  Matcher matcher(*this, inputs);
  auto failure = [&](PyObject* object) {
    const Node& node = nodes_[matcher.cursor - 1];
    std::string now = THPVariable_CheckExact(object)
                          ? TensorSpecs::describe(THPVariable_Unpack(object).unsafeGetTensorImpl())
                          : describe_value(object);
    return describe()[matcher.cursor - 1] + (node.path < positional_ + keywords ? ", now " + now : "");
  };
  for (size_t i = 0; i < positional; ++i) {
    if (!matcher.match(args[i], false)) return failure(args[i]);
  }
  for (size_t i = 0; i < keywords; ++i) {
    size_t at = 0;
    while (at < keywords && !same_value(PyTuple_GET_ITEM(keyword_names, at), PyTuple_GET_ITEM(keyword_names_.get(), i)))
      ++at;
    if (at == keywords) return "no keyword argument " + describe_value(PyTuple_GET_ITEM(keyword_names_.get(), i));
    if (at != i && keyword_order_matters_) return "keyword arguments in another order";
    if (!matcher.match(args[positional + at], false)) return failure(args[positional + at]);
  }
  for (size_t i = 0; i < owners_.size(); ++i) {
    if (!matcher.match_place()) return paths_[nodes_[matcher.cursor - 1].path] + " is of another kind";
  }
  return "";
}

int ArgumentSpec::visit(visitproc visit, void* arg) const {
  for (const Node& node : nodes_) {
    if (int stop = node.value.visit(visit, arg)) return stop;
  }
  for (const ObjectRef& object : objects_) {
    if (int stop = object.visit(visit, arg)) return stop;
  }
  for (const ObjectRef& object : owners_) {
    if (int stop = object.visit(visit, arg)) return stop;
  }
  for (const PyRef& type : types_) {
    if (int stop = type.visit(visit, arg)) return stop;
  }
  return keyword_names_.visit(visit, arg);
}

}  // namespace braze
