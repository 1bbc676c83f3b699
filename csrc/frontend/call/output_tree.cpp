// Output trees: taken apart after the traced call, put together at each replay.
#include "frontend/call/output_tree.h"

#include <c10/util/SmallVector.h>
#include <torch/csrc/autograd/python_variable.h>

#include <unordered_map>

#include "frontend/guards/plain_instance.h"

namespace braze {
namespace {

PyTypeObject* ordered_dict_type() { return &PyODict_Type; }

bool is_struct_sequence(PyTypeObject* type) {
  return PyType_IsSubtype(type, &PyTuple_Type) &&
         PyObject_HasAttrString(reinterpret_cast<PyObject*>(type), "n_sequence_fields");
}

bool is_default_dict(PyTypeObject* type) {
  static PyObject* const known = [] {
    PyRef module = PyRef::steal(PyImport_ImportModule("collections"));
    return module ? PyObject_GetAttrString(module.get(), "defaultdict") : nullptr;
  }();
  return reinterpret_cast<PyObject*>(type) == known;
}

bool is_named_tuple(PyTypeObject* type) {
  return PyType_IsSubtype(type, &PyTuple_Type) &&
         PyObject_HasAttrString(reinterpret_cast<PyObject*>(type), "_fields") && type->tp_dictoffset == 0;
}

}  // namespace

class OutputTree::Builder {
 public:
  Builder(OutputTree& tree, const Classify& classify, const Number& number,
          const std::unordered_set<PyObject*>& existing, const std::unordered_map<PyObject*, uint32_t>& of_arguments,
          Refusal& refusal)
      : tree_(tree),
        classify_(classify),
        number_(number),
        existing_(existing),
        of_arguments_(of_arguments),
        refusal_(refusal) {}

  bool add(PyObject* object, const std::string& path) {
    if (THPVariable_Check(object)) return add_tensor(object, path);
    if (is_immutable_value(object)) {
      push({Kind::Constant, 0, {}, PyRef::borrow(object), {}});
      return true;
    }
    if (PyRef integer = number_ ? number_(object) : PyRef()) {
      push({Kind::Number, tree_.numbers_++, {}, std::move(integer), {}});
      return true;
    }
    if (auto found = seen_.find(object); found != seen_.end()) {
      if (open_.count(object)) return refuse(path + " contains itself");
      push({Kind::Again, found->second, {}, {}, {}});
      return true;
    }
    if (auto found = of_arguments_.find(object); found != of_arguments_.end()) {
      push({Kind::Argument, found->second, {}, {}, {}});
      return true;
    }
    if (existing_.count(object)) {
      push({Kind::Object, static_cast<uint32_t>(tree_.objects_.size()), {}, {}, {}});
      tree_.objects_.emplace_back(object);
      return true;
    }
    seen_[object] = static_cast<uint32_t>(tree_.nodes_.size());
    open_.insert(object);
    bool added = add_container(object, path);
    open_.erase(object);
    return added;
  }

 private:
  bool refuse(const std::string& detail) {
    refusal_ = {"output_kind", detail};
    return false;
  }
  void push(Node node) { tree_.nodes_.push_back(std::move(node)); }

  bool add_tensor(PyObject* object, const std::string& path) {
    TensorSource source = classify_(object);
    if (source.kind == TensorSource::Unknown) return refuse(path + " is a tensor the recording did not see being made");
    if (source.kind == TensorSource::Output && !THPVariable_CheckExact(object))
      return refuse(path + " is a " + Py_TYPE(object)->tp_name);
    if (source.kind == TensorSource::Output && Py_TYPE(object) != reinterpret_cast<PyTypeObject*>(THPVariableClass)) {
      return refuse(path + " is a new Parameter");
    }
    push({source.kind == TensorSource::Output ? Kind::Output : Kind::Input,
          static_cast<uint32_t>(source.index),
          {},
          {},
          {}});
    return true;
  }

  bool add_items(PyObject* sequence, Kind kind, const std::string& path) {
    Py_ssize_t size = PySequence_Fast_GET_SIZE(sequence);
    push({kind, static_cast<uint32_t>(size), PyRef::borrow(reinterpret_cast<PyObject*>(Py_TYPE(sequence))), {}, {}});
    for (Py_ssize_t i = 0; i < size; ++i) {
      if (!add(PySequence_Fast_GET_ITEM(sequence, i), path + "[" + std::to_string(i) + "]")) return false;
    }
    return true;
  }

  bool add_container(PyObject* object, const std::string& path) {
    PyTypeObject* type = Py_TYPE(object);
    if (PyTuple_CheckExact(object)) return add_items(object, Kind::Tuple, path);
    if (PyTuple_Check(object)) {
      if (is_struct_sequence(type)) {
        PyRef hidden = PyRef::steal(PyObject_GetAttrString(reinterpret_cast<PyObject*>(type), "n_fields"));
        if (hidden && PyLong_AsSsize_t(hidden.get()) == PyTuple_GET_SIZE(object))
          return add_items(object, Kind::StructSequence, path);
        PyErr_Clear();
      } else if (is_named_tuple(type)) {
        return add_items(object, Kind::NamedTuple, path);
      }
      return refuse(path + " is a " + type->tp_name);
    }
    if (PyList_CheckExact(object)) return add_items(object, Kind::List, path);
    if (PyDict_CheckExact(object) || type == ordered_dict_type()) {
      PyObject** dict = PyDict_CheckExact(object) ? nullptr : _PyObject_GetDictPtr(object);
      return add_mapping(object, Kind::Dict, dict ? *dict : nullptr, path);
    }
    if (PySet_CheckExact(object)) return add_set(object, path);
    if (is_default_dict(type)) {
      PyRef factory = PyRef::steal(PyObject_GetAttrString(object, "default_factory"));
      if (!factory || !(factory.get() == Py_None || PyType_Check(factory.get()) || existing_.count(factory.get())))
        return refuse(path + " is a defaultdict with a factory of the call's own");
      const size_t at = tree_.nodes_.size();
      if (!add_mapping(object, Kind::DefaultDict, nullptr, path)) return false;
      tree_.nodes_[at].attributes = std::move(factory);
      return true;
    }
    if (plain_base(type) != nullptr) {
      PyObject** dict = _PyObject_GetDictPtr(object);
      return add_mapping(object, Kind::Instance, dict ? *dict : nullptr, path);
    }
    return refuse(path + " is a " + type->tp_name);
  }

  /// A copy of a set lists its elements in the same order, whatever it went through before.
  bool add_set(PyObject* object, const std::string& path) {
    PyRef items = PyRef::steal(PySequence_Tuple(object));
    if (!items || !is_immutable_value(items.get())) {
      PyErr_Clear();
      return refuse(path + " is a set of more than plain values");
    }
    push({Kind::Set, static_cast<uint32_t>(PyTuple_GET_SIZE(items.get())), {}, PyRef::steal(PySet_New(object)), {}});
    return true;
  }

  /// Items of a dict (subclass) and attributes of an instance: constant keys, one child each.
  bool add_mapping(PyObject* object, Kind kind, PyObject* attributes, const std::string& path) {
    Node node{kind, 0, PyRef::borrow(reinterpret_cast<PyObject*>(Py_TYPE(object))), {}, {}};
    PyRef keys, values, names;
    if (PyDict_Check(object)) {
      PyTypeObject* base = PyObject_TypeCheck(object, ordered_dict_type()) ? ordered_dict_type() : &PyDict_Type;
      PyRef iterator = PyRef::steal(base->tp_iter(object));
      keys = iterator ? PyRef::steal(PySequence_Tuple(iterator.get())) : PyRef();
    } else {
      keys = PyRef::steal(PyTuple_New(0));
    }
    names = attributes ? PyRef::steal(PySequence_Tuple(attributes)) : PyRef::steal(PyTuple_New(0));
    if (!keys || !names) {
      PyErr_Clear();
      return refuse(path + " cannot be listed");
    }
    node.value = keys;
    node.attributes = names;
    node.index = static_cast<uint32_t>(PyTuple_GET_SIZE(keys.get()) + PyTuple_GET_SIZE(names.get()));
    push(std::move(node));
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(keys.get()); ++i) {
      PyObject* key = PyTuple_GET_ITEM(keys.get(), i);
      if (!is_immutable_value(key)) return refuse(path + " has a key that is no plain value: " + describe_value(key));
      if (!add(PyDict_GetItemWithError(object, key), path + "[" + describe_value(key) + "]")) return false;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names.get()); ++i) {
      PyObject* name = PyTuple_GET_ITEM(names.get(), i);
      if (!add(PyDict_GetItemWithError(attributes, name),
               path + "." + (PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : "?")))
        return false;
    }
    return true;
  }

  OutputTree& tree_;
  const Classify& classify_;
  const Number& number_;
  const std::unordered_set<PyObject*>& existing_;
  const std::unordered_map<PyObject*, uint32_t>& of_arguments_;
  Refusal& refusal_;
  std::unordered_map<PyObject*, uint32_t> seen_;
  std::unordered_set<PyObject*> open_;
};

class OutputTree::Maker {
 public:
  Maker(const OutputTree& tree, std::vector<at::Tensor>& outputs, at::TensorImpl* const* inputs,
        PyObject* const* containers, const int64_t* numbers)
      : tree_(tree), outputs_(outputs), inputs_(inputs), containers_(containers), numbers_(numbers) {}

  PyObject* make() {
    size_t at = cursor_++;
    const Node& node = tree_.nodes_[at];
    switch (node.kind) {
      case Kind::Output: return THPVariable_Wrap(outputs_[node.index]);
      case Kind::Input:
        return THPVariable_Wrap(
            at::Tensor(c10::intrusive_ptr<at::TensorImpl, at::UndefinedTensorImpl>::reclaim_copy(inputs_[node.index])));
      case Kind::Constant: return Py_NewRef(node.value.get());
      case Kind::Number: return PyLong_FromLongLong(numbers_[node.index]);
      case Kind::Object: return Py_XNewRef(tree_.objects_[node.index].get());
      case Kind::Argument: return Py_NewRef(containers_[node.index]);
      case Kind::Again: return Py_XNewRef(made_[node.index]);
      default: break;
    }
    PyRef object = PyRef::steal(make_container(node));
    if (object) remember(at, object.get());
    return object.release();
  }

 private:
  void remember(size_t at, PyObject* object) {
    if (made_.size() <= at) made_.resize(at + 1, nullptr);
    made_[at] = object;  // kept alive by the result being built
  }

  PyRef make_tuple(uint32_t size) {
    PyRef tuple = PyRef::steal(PyTuple_New(size));
    for (uint32_t i = 0; tuple && i < size; ++i) {
      PyObject* item = make();
      if (item == nullptr) return PyRef();
      PyTuple_SET_ITEM(tuple.get(), i, item);
    }
    return tuple;
  }

  PyObject* make_container(const Node& node) {
    auto* type = reinterpret_cast<PyTypeObject*>(node.type.get());
    switch (node.kind) {
      case Kind::Tuple: return make_tuple(node.index).release();
      case Kind::NamedTuple:
      case Kind::StructSequence: {
        PyRef items = make_tuple(node.index);
        PyRef arguments = items ? PyRef::steal(PyTuple_Pack(1, items.get())) : PyRef();
        if (!arguments) return nullptr;
        return node.kind == Kind::NamedTuple ? PyTuple_Type.tp_new(type, arguments.get(), nullptr)
                                             : PyObject_Call(node.type.get(), arguments.get(), nullptr);
      }
      case Kind::List: {
        PyRef list = PyRef::steal(PyList_New(node.index));
        for (uint32_t i = 0; list && i < node.index; ++i) {
          PyObject* item = make();
          if (item == nullptr) return nullptr;
          PyList_SET_ITEM(list.get(), i, item);
        }
        return list.release();
      }
      case Kind::Set: return PySet_New(node.value.get());
      default: return make_mapping(node, type);
    }
  }

  PyObject* make_mapping(const Node& node, PyTypeObject* type) {
    PyRef empty = PyRef::steal(PyTuple_New(0));
    const bool has_factory = node.kind == Kind::DefaultDict;
    PyRef object = PyRef::steal(has_factory            ? PyObject_CallOneArg(node.type.get(), node.attributes.get())
                                : type == &PyDict_Type ? PyDict_New()
                                                       : type->tp_new(type, empty.get(), nullptr));
    if (!object) return nullptr;
    bool ordered = PyObject_TypeCheck(object.get(), &PyODict_Type);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(node.value.get()); ++i) {
      PyRef item = PyRef::steal(make());
      if (!item) return nullptr;
      PyObject* key = PyTuple_GET_ITEM(node.value.get(), i);
      if ((ordered ? PyODict_SetItem(object.get(), key, item.get()) : PyDict_SetItem(object.get(), key, item.get())) <
          0)
        return nullptr;
    }
    if (has_factory) return object.release();
    Py_ssize_t attributes = PyTuple_GET_SIZE(node.attributes.get());
    if (attributes == 0) return object.release();
    PyRef dict = PyRef::steal(PyObject_GenericGetDict(object.get(), nullptr));
    for (Py_ssize_t i = 0; dict && i < attributes; ++i) {
      PyRef value = PyRef::steal(make());
      if (!value || PyDict_SetItem(dict.get(), PyTuple_GET_ITEM(node.attributes.get(), i), value.get()) < 0)
        return nullptr;
    }
    return dict ? object.release() : nullptr;
  }

  const OutputTree& tree_;
  std::vector<at::Tensor>& outputs_;
  at::TensorImpl* const* inputs_;
  PyObject* const* containers_;
  const int64_t* numbers_;
  size_t cursor_ = 0;
  c10::SmallVector<PyObject*, 8> made_;
};

std::unique_ptr<OutputTree> OutputTree::build(PyObject* result, const Classify& classify, const Number& number,
                                              const std::unordered_set<PyObject*>& existing,
                                              const std::unordered_map<PyObject*, uint32_t>& of_arguments,
                                              Refusal& refusal) {
  std::unique_ptr<OutputTree> tree(new OutputTree);
  Builder builder(*tree, classify, number, existing, of_arguments, refusal);
  return builder.add(result, "the result") ? std::move(tree) : nullptr;
}

PyObject* OutputTree::make(std::vector<at::Tensor>& outputs, at::TensorImpl* const* inputs, PyObject* const* containers,
                           const int64_t* numbers) const {
  return Maker(*this, outputs, inputs, containers, numbers).make();
}

bool OutputTree::is_integer(const Node& node) {
  return node.kind == Kind::Number || (node.kind == Kind::Constant && PyLong_CheckExact(node.value.get()));
}

std::vector<std::pair<PyRef, bool>> OutputTree::integers() const {
  std::vector<std::pair<PyRef, bool>> found;
  for (const Node& node : nodes_)
    if (is_integer(node)) found.emplace_back(node.value, node.kind == Kind::Number);
  return found;
}

std::string OutputTree::describe(bool integers) const {
  static constexpr const char* names[] = {"output",   "input", "constant", "constant",    "object",
                                          "argument", "again", "tuple",    "namedtuple",  "structseq",
                                          "list",     "dict",  "instance", "defaultdict", "set"};
  std::string text;
  for (const Node& node : nodes_) {
    if (!text.empty()) text += ' ';
    text += names[static_cast<size_t>(node.kind)];
    if (node.kind == Kind::Set) {
      PyRef items = PyRef::steal(PySequence_Tuple(node.value.get()));
      text += "=" + describe_value(items.get());
    } else if (node.kind == Kind::Constant || node.kind == Kind::Number) {
      text += "=" + (integers || !is_integer(node) ? describe_value(node.value.get()) : "integer");
    } else {
      text += "#" + std::to_string(node.index);
    }
  }
  return text;
}

int OutputTree::visit(visitproc visit, void* arg) const {
  for (const Node& node : nodes_) {
    for (const PyRef* ref : {&node.type, &node.value, &node.attributes}) {
      if (int stop = ref->visit(visit, arg)) return stop;
    }
  }
  for (const ObjectRef& object : objects_) {
    if (int stop = object.visit(visit, arg)) return stop;
  }
  return 0;
}

}  // namespace braze
