// State guards: building them, the hot scan, and the cold look at what a moved version tag means.
#include "frontend/guards/python_state.h"

#include <structmember.h>

#include <algorithm>
#include <cstring>

#include "frontend/guards/cpython_objects.h"
#include "frontend/guards/dict_access.h"

namespace braze {
namespace {

bool is_special_name(PyObject* key) {
  if (!PyUnicode_CheckExact(key)) return false;
  const Py_ssize_t length = PyUnicode_GET_LENGTH(key);
  auto is_underscore = [&](Py_ssize_t at) { return PyUnicode_READ_CHAR(key, at) == '_'; };
  return length >= 5 && is_underscore(0) && is_underscore(1) && is_underscore(length - 2) && is_underscore(length - 1);
}

PyObject* lookup(PyObject* dict, PyObject* key) {
  PyObject* value = PyDict_GetItemWithError(dict, key);
  if (value == nullptr) PyErr_Clear();
  return value;
}

bool same(PyObject* now, PyObject* expected) {
  if (now == expected) return true;
  return now != nullptr && expected != nullptr && is_immutable_value(expected) && same_value(now, expected);
}

}  // namespace

void StateGuards::own(PyObject* object) {
  if (object == nullptr || weak_.count(object) || !owned_index_.insert(object).second) return;
  owned_.push_back(PyRef::borrow(object));
}

void StateGuards::set_names(PyObject* names) {
  names_ = PyRef::borrow(names);
  Py_ssize_t position = 0;
  PyObject* name;
  Py_hash_t hash;
  while (_PySet_NextEntry(names, &position, &name, &hash)) name_hashes_.insert(hash);
}

void StateGuards::add_weak_root(PyObject* object) {
  PyRef weak = PyRef::steal(PyWeakref_NewRef(object, nullptr));
  if (!weak) {
    PyErr_Clear();
    return own(object);
  }
  if (weak_.insert(object).second) weak_roots_.push_back(std::move(weak));
}

void StateGuards::add_pointer(PyObject** address, const std::string& path) {
  words_.add(address, place_of(WordOf::Pointer, pointers_.size()));
  name_pointer(address, path);
}

/// For those who ask what has changed; something else checks it.
void StateGuards::name_pointer(PyObject** address, const std::string& path) {
  own(*address);
  pointers_.push_back({address, *address});
  pointer_paths_.push_back(path);
}

void StateGuards::add_type(PyObject* object, const std::string& path) {
  own(object);
  add_pointer(reinterpret_cast<PyObject**>(&object->ob_type), "type(" + path + ")");
}

void StateGuards::add_tensor(PyObject* tensor, const std::string& path) {
  if (!plain_tensors_.add(tensor)) return add_type(tensor, path);
  own(tensor);
  name_pointer(reinterpret_cast<PyObject**>(&tensor->ob_type), "type(" + path + ")");
}

PyObject* StateGuards::add_instance_dict(PyObject* object, const std::string& path) {
  PyObject** slot = cpython::dict_slot(object);
  if (slot == nullptr) return nullptr;
  own(object);
  if (plain_tensors_.has(object))
    name_pointer(slot, path + ".__dict__");
  else
    add_pointer(slot, path + ".__dict__");
  return *slot;
}

void StateGuards::add_dict(PyObject* dict, Scope scope, PyObject* keys, const std::string& path) {
  DictContent content{scope, {}, path, {}};
  PyObject *key, *value;
  if (scope == Scope::Listed) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(keys); ++i)
      content.items.emplace_back(PyTuple_GET_ITEM(keys, i), lookup(dict, PyTuple_GET_ITEM(keys, i)));
  } else if (PyODict_Check(dict) && scope == Scope::All) {
    PyRef order = keys_of(dict);
    for (Py_ssize_t i = 0; order && i < PyTuple_GET_SIZE(order.get()); ++i) {
      content.items.emplace_back(PyTuple_GET_ITEM(order.get(), i), lookup(dict, PyTuple_GET_ITEM(order.get(), i)));
    }
    own(order.get());
    if (content.items.size() > 1) {  // else every change of the order is a change of the keys
      const size_t* counter = cpython::order_counter(dict);
      words_.add_counter(counter, place_of(WordOf::Order, orders_.size()));
      orders_.push_back({dict, counter, *counter, static_cast<uint32_t>(contents_.size())});
    }
  } else {
    Py_ssize_t position = 0;
    while (PyDict_Next(dict, &position, &key, &value)) {
      if (scope == Scope::All || matters(content, key)) content.items.emplace_back(key, value);
    }
  }
  for (auto& [item_key, item_value] : content.items) {
    own(item_key);
    own(item_value);
  }
  guard_dict(dict, std::move(content));
}

void StateGuards::add_frozen(PyObject* dict, const std::string& path) {
  guard_dict(dict, {Scope::Frozen, {}, path, {}});
}

void StateGuards::guard_dict(PyObject* dict, DictContent content) {
  own(dict);
  const auto index = static_cast<uint32_t>(dicts_.size());
  const bool is_watched = content.scope != Scope::Frozen && watch_dict(dict, *this, index);
  auto* raw = reinterpret_cast<PyDictObject*>(dict);
  if (is_watched && content.scope == Scope::Listed)
    for (auto& [key, value] : content.items) content.hashes.insert(PyObject_Hash(key));
  if (!is_watched) {
    if (cpython::kVersionWordIsTag)
      words_.add_counter(cpython::version_word(raw), place_of(WordOf::Dict, index));
    else
      words_.add(cpython::version_word(raw), place_of(WordOf::Dict, index));
  }
  dicts_.push_back({raw, cpython::version_tag(raw), is_watched, false});
  contents_.push_back(std::move(content));
  noted_dicts_.reserve(dicts_.size());
}

void StateGuards::stop_watching() {
  for (Dict& dict : dicts_)
    if (dict.is_watched) unwatch_dict(reinterpret_cast<PyObject*>(dict.dict), *this);
}

void StateGuards::dict_changes(uint32_t place, PyObject* key) {
  if (dicts_[place].is_noted || (key != nullptr && !may_matter(contents_[place], key))) return;
  dicts_[place].is_noted = true;
  noted_dicts_.push_back(place);
}

/// As `matters`, without asking Python to compare anything.
bool StateGuards::may_matter(const DictContent& content, PyObject* key) const {
  if (content.scope == Scope::All || !PyUnicode_CheckExact(key)) return true;
  const Py_hash_t hash = PyObject_Hash(key);
  if (content.scope == Scope::Listed) return content.hashes.count(hash) != 0;
  return name_hashes_.count(hash) != 0 || (content.scope == Scope::NamedAndSpecial && is_special_name(key));
}

void StateGuards::add_context_variable(PyObject* variable, const std::string& path) {
  PyObject* value = nullptr;
  if (PyContextVar_Get(variable, nullptr, &value) < 0) PyErr_Clear();
  PyRef held = PyRef::steal(value);
  own(variable);
  own(value);
  context_.emplace_back(variable, value);
  context_paths_.push_back(path);
}

void StateGuards::add_list(PyObject* list, const std::string& path) {
  own(list);
  lists_.push_back({list, static_cast<uint32_t>(items_.size()), static_cast<uint32_t>(PyList_GET_SIZE(list))});
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); ++i) {
    own(PyList_GET_ITEM(list, i));
    items_.push_back(PyList_GET_ITEM(list, i));
  }
  list_paths_.push_back(path);
}

void StateGuards::add_set(PyObject* set, const std::string& path) {
  own(set);
  sets_.push_back({set, static_cast<uint32_t>(items_.size()), static_cast<uint32_t>(PySet_GET_SIZE(set))});
  Py_ssize_t position = 0;
  PyObject* key;
  Py_hash_t hash;
  while (_PySet_NextEntry(set, &position, &key, &hash)) {
    own(key);
    items_.push_back(key);
  }
  set_paths_.push_back(path);
}

void StateGuards::add_cell(PyObject* cell, const std::string& path) {
  own(cell);
  add_pointer(&reinterpret_cast<PyCellObject*>(cell)->ob_ref, path);
}

void StateGuards::add_function(PyObject* function, const std::string& path) {
  own(function);
  auto* raw = reinterpret_cast<PyFunctionObject*>(function);
  add_pointer(&raw->func_code, path + ".__code__");
  add_pointer(&raw->func_defaults, path + ".__defaults__");
  add_pointer(&raw->func_kwdefaults, path + ".__kwdefaults__");
}

void StateGuards::add_labels(PyObject* object, const std::string& path) {
  own(object);
  if (PyFunction_Check(object)) {
    auto* raw = reinterpret_cast<PyFunctionObject*>(object);
    add_pointer(&raw->func_name, path + ".__name__");
    add_pointer(&raw->func_qualname, path + ".__qualname__");
    add_pointer(&raw->func_doc, path + ".__doc__");
    add_pointer(&raw->func_annotations, path + ".__annotations__");
  } else if (PyType_Check(object) && PyType_HasFeature(reinterpret_cast<PyTypeObject*>(object), Py_TPFLAGS_HEAPTYPE)) {
    auto* raw = reinterpret_cast<PyHeapTypeObject*>(object);  // the rest is in its dict
    add_pointer(&raw->ht_name, path + ".__name__");
    add_pointer(&raw->ht_qualname, path + ".__qualname__");
  }
}

void StateGuards::add_answer(PyObject* function, const std::string& path) {
  PyRef answer = PyRef::steal(PyObject_CallNoArgs(function));
  PyErr_Clear();
  own(function);
  own(answer.get());
  answers_.emplace_back(function, answer.get());
  answer_paths_.push_back(path);
}

void StateGuards::add_class(PyObject* cls, bool all, const std::string& path) {
  auto* type = reinterpret_cast<PyTypeObject*>(cls);
  if (!PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) || PyType_HasFeature(type, Py_TPFLAGS_IMMUTABLETYPE))
    return own(cls);
  add_type(cls, path);
  add_pointer(&type->tp_mro, path + ".__mro__");
  add_dict(type->tp_dict, all ? Scope::All : Scope::NamedAndSpecial, nullptr, path + ".__dict__");
}

bool StateGuards::add_member(PyObject* object, PyObject* descriptor, const std::string& path) {
  if (Py_TYPE(descriptor) != &PyMemberDescr_Type) return false;
  const PyMemberDef* member = reinterpret_cast<PyMemberDescrObject*>(descriptor)->d_member;
  if ((member->type != T_OBJECT_EX && member->type != T_OBJECT) ||
      !PyObject_TypeCheck(object, PyDescr_TYPE(descriptor)))
    return false;
  own(object);
  add_pointer(reinterpret_cast<PyObject**>(reinterpret_cast<char*>(object) + member->offset), path);
  return true;
}

void StateGuards::add_alias_links(at::TensorImpl* const* inputs, size_t count, const std::vector<PyObject*>& tensors) {
  for (PyObject* tensor : tensors) own(tensor);
  links_.build(inputs, count, tensors);
  has_links_ = true;
}

bool StateGuards::check() {
  if (cleared_ || !roots_alive()) return false;
  if (!noted_dicts_.empty() && !check_noted_dicts()) return false;
  if (!plain_tensors_.check()) return false;
  if (!words_.scan([this](uint32_t place) { return ask(place); })) return false;
  for (const Items& list : lists_) {
    if (!check_list(list)) return false;
  }
  for (const Items& set : sets_) {
    if (!check_set(set)) return false;
  }
  for (auto& [variable, expected] : context_) {
    if (!check_context(variable, expected)) return false;
  }
  for (auto& [function, expected] : answers_) {
    if (!check_answer(function, expected)) return false;
  }
  return true;
}

WordScan::Answer StateGuards::ask(uint32_t place) {
  const size_t index = place / 4;
  bool holds = false;
  switch (static_cast<WordOf>(place % 4)) {
    case WordOf::Pointer:  // an equal object that nobody here keeps: its address may become that of another
      return same(*pointers_[index].address, pointers_[index].expected) ? WordScan::Answer::Same
                                                                        : WordScan::Answer::Differs;
    case WordOf::Dict: holds = recheck(dicts_[index], contents_[index]); break;
    case WordOf::Order: holds = recheck(orders_[index]); break;
  }
  return holds ? WordScan::Answer::SameFromNowOn : WordScan::Answer::Differs;
}

/// Those that are as they were are no longer noted.
bool StateGuards::check_noted_dicts() {
  while (!noted_dicts_.empty()) {
    const uint32_t index = noted_dicts_.back();
    noted_dicts_.pop_back();
    dicts_[index].is_noted = false;
    if (recheck(dicts_[index], contents_[index])) continue;
    dict_changes(index, nullptr);
    return false;
  }
  return true;
}

bool StateGuards::check_answer(PyObject* function, PyObject* expected) {
  PyRef now = PyRef::steal(PyObject_CallNoArgs(function));
  if (!now) PyErr_Clear();
  return same(now.get(), expected);
}

bool StateGuards::check_context(PyObject* variable, PyObject* expected) {
  PyObject* value = nullptr;
  if (PyContextVar_Get(variable, nullptr, &value) < 0) PyErr_Clear();
  PyRef now = PyRef::steal(value);
  return same(value, expected);
}

bool StateGuards::roots_alive() const {
  for (const PyRef& root : weak_roots_) {
    if (PyWeakref_GET_OBJECT(root.get()) == Py_None) return false;
  }
  return true;
}

bool StateGuards::matters(const DictContent& content, PyObject* key) const {
  if (content.scope == Scope::NamedAndSpecial && is_special_name(key)) return true;
  int found = PySet_Contains(names_.get(), key);
  if (found < 0) PyErr_Clear();
  return found != 0;
}

bool StateGuards::recheck(Dict& dict, const DictContent& content, std::string* difference) {
  auto* object = reinterpret_cast<PyObject*>(dict.dict);
  uint64_t tag = cpython::version_tag(dict.dict);
  auto differs = [&](PyObject* key) {
    if (difference) *difference = content.path + "[" + describe_value(key) + "]";
    return false;
  };
  if (content.scope == Scope::Frozen) {
    if (tag != dict.tag) {
      if (difference) *difference = content.path;
      return false;
    }
  } else if (content.scope == Scope::All) {
    if (!recheck_all(object, content, difference)) return false;
  } else {
    for (auto& [key, expected] : content.items) {
      if (!same(lookup(object, key), expected)) return differs(key);
    }
    if (content.scope != Scope::Listed) {
      size_t present = 0;
      PyObject *key, *value;
      Py_ssize_t position = 0;
      while (PyDict_Next(object, &position, &key, &value)) {
        if (!matters(content, key)) continue;
        if (++present > content.items.size()) return differs(key);
      }
    }
  }
  dict.tag = tag;
  return true;
}

bool StateGuards::recheck_all(PyObject* dict, const DictContent& content, std::string* difference) const {
  auto differs = [&](const std::string& what) {
    if (difference) *difference = content.path + what;
    return false;
  };
  if (static_cast<size_t>(PyDict_GET_SIZE(dict)) != content.items.size()) return differs(" (its length)");
  if (PyODict_Check(dict)) {  // its order is checked by the counter
    for (auto& [key, expected] : content.items) {
      if (!same(lookup(dict, key), expected)) return differs("[" + describe_value(key) + "]");
    }
    return true;
  }
  PyObject *key, *value;
  Py_ssize_t position = 0;
  size_t i = 0;
  while (PyDict_Next(dict, &position, &key, &value)) {
    if (!same(key, content.items[i].first) || !same(value, content.items[i].second))
      return differs("[" + describe_value(key) + "]");
    ++i;
  }
  return true;
}

bool StateGuards::recheck(Order& order) {
  const DictContent& content = contents_[order.content];
  size_t counter = *order.counter;
  PyRef keys = keys_of(order.dict);
  PyErr_Clear();
  if (!keys || static_cast<size_t>(PyTuple_GET_SIZE(keys.get())) != content.items.size()) return false;
  for (size_t i = 0; i < content.items.size(); ++i) {
    if (!same(PyTuple_GET_ITEM(keys.get(), static_cast<Py_ssize_t>(i)), content.items[i].first)) return false;
  }
  order.expected = counter;
  return true;
}

bool StateGuards::check_list(const Items& list) {
  if (PyList_GET_SIZE(list.object) != list.count) return false;
  PyObject** now = reinterpret_cast<PyListObject*>(list.object)->ob_item;
  PyObject** expected = items_.data() + list.start;
  if (list.count == 0 || std::memcmp(now, expected, list.count * sizeof(PyObject*)) == 0) return true;
  for (uint32_t i = 0; i < list.count; ++i) {
    if (!same(now[i], expected[i])) return false;
  }
  return true;
}

bool StateGuards::check_set(const Items& set) {
  if (PySet_GET_SIZE(set.object) != set.count) return false;
  if (set.count == 0) return true;
  Py_ssize_t position = 0;
  PyObject* key;
  Py_hash_t hash;
  for (uint32_t i = 0; _PySet_NextEntry(set.object, &position, &key, &hash); ++i) {
    if (!same(key, items_[set.start + i])) return false;
  }
  return true;
}

std::vector<std::string> StateGuards::changed() {
  if (cleared_) return {"the guards were dropped"};
  if (!roots_alive()) return {"an argument object has died"};
  std::vector<std::string> paths;
  for (size_t i = 0; i < pointers_.size(); ++i) {
    if (!same(*pointers_[i].address, pointers_[i].expected)) paths.push_back(pointer_paths_[i]);
  }
  for (size_t i = 0; i < dicts_.size(); ++i) {
    std::string difference;
    if (!recheck(dicts_[i], contents_[i], &difference)) paths.push_back(difference);
  }
  for (Order& order : orders_) {
    if (!recheck(order)) paths.push_back(contents_[order.content].path + " (its order)");
  }
  for (size_t i = 0; i < lists_.size(); ++i) {
    if (!check_list(lists_[i])) paths.push_back(list_paths_[i]);
  }
  for (size_t i = 0; i < sets_.size(); ++i) {
    if (!check_set(sets_[i])) paths.push_back(set_paths_[i]);
  }
  for (size_t i = 0; i < context_.size(); ++i) {
    if (!check_context(context_[i].first, context_[i].second)) paths.push_back(context_paths_[i]);
  }
  for (size_t i = 0; i < answers_.size(); ++i) {
    if (!check_answer(answers_[i].first, answers_[i].second)) paths.push_back(answer_paths_[i]);
  }
  return paths;
}

std::string StateGuards::explain() {
  std::vector<std::string> paths = changed();
  return paths.empty() ? "" : paths.front();
}

std::vector<std::string> StateGuards::describe() const {
  std::vector<std::string> lines;
  for (size_t i = 0; i < pointers_.size(); ++i) {
    PyObject* expected = pointers_[i].expected;
    lines.push_back(pointer_paths_[i] + " is " + (expected ? describe_value(expected) : "unset"));
  }
  for (const DictContent& content : contents_) {
    if (content.scope == Scope::All || content.scope == Scope::Frozen) {
      lines.push_back(content.path + " has the same " + std::to_string(content.items.size()) + " items");
      continue;
    }
    for (auto& [key, value] : content.items) {
      lines.push_back(content.path + "[" + describe_value(key) + "] " +
                      (value ? "is " + describe_value(value) : "is absent"));
    }
  }
  for (size_t i = 0; i < lists_.size(); ++i)
    lines.push_back(list_paths_[i] + " has the same " + std::to_string(lists_[i].count) + " items");
  for (size_t i = 0; i < sets_.size(); ++i)
    lines.push_back(set_paths_[i] + " has the same " + std::to_string(sets_[i].count) + " elements");
  for (size_t i = 0; i < context_.size(); ++i) {
    lines.push_back(context_paths_[i] + " is " + (context_[i].second ? describe_value(context_[i].second) : "unset"));
  }
  for (size_t i = 0; i < answers_.size(); ++i) {
    lines.push_back(answer_paths_[i] + " is " + (answers_[i].second ? describe_value(answers_[i].second) : "an error"));
  }
  return lines;
}

size_t StateGuards::watched_dict_count() const {
  return static_cast<size_t>(std::count_if(dicts_.begin(), dicts_.end(), [](auto& dict) { return dict.is_watched; }));
}

int StateGuards::visit(visitproc visit, void* arg) const {
  for (const PyRef& object : owned_) {
    if (int stop = object.visit(visit, arg)) return stop;
  }
  for (const PyRef& root : weak_roots_) {
    if (int stop = root.visit(visit, arg)) return stop;
  }
  return names_.visit(visit, arg);
}

void StateGuards::clear() {
  cleared_ = true;
  stop_watching();
  words_.clear();
  noted_dicts_.clear();
  pointers_.clear();
  dicts_.clear();
  orders_.clear();
  lists_.clear();
  sets_.clear();
  context_.clear();
  answers_.clear();
  plain_tensors_.clear();
  items_.clear();
  contents_.clear();
  std::vector<PyRef> dropped = std::move(owned_);
  owned_.clear();
  owned_index_.clear();
}

}  // namespace braze
