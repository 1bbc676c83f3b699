// The Python state a recorded trace depends on, as flat local guards that a scan of a few contiguous arrays checks.
//
// The snapshot is closed: every object it reached is guarded locally (its class, its dict's keys, its items, its
// fields), and every edge it followed is one of those guarded places. So if no guarded place has changed, nothing
// reachable through the names the code uses has changed. A place is compared by identity first; immutable values that
// are equal in type and bits are interchangeable.
//  - Pointer: a word that holds an object (ob_type, __dict__ slot, cell contents, function fields, slots, mro).
//  Compared directly.
//  - Dict: where Python tells of changes of dicts (dict_watch.h), one that changes is noted, if a key that matters may
//  be meant; else its version tag is compared, unique in the process for every change of every dict. Only then do we
//  look inside, and if what matters is the same that is the end of it: `self.step += 1` on a name nobody reads costs
//  nothing, or one look a call.
//  - List, set: length and item pointers. OrderedDict: the counter of its order as well, for move_to_end changes no
//  version tag.
// Everything is owned, except the weak roots: argument objects, which the guards must not keep alive. Once one has died
// no check succeeds.
#pragma once

#include <Python.h>

#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "frontend/guards/alias_links.h"
#include "frontend/guards/dict_watch.h"
#include "frontend/guards/plain_tensors.h"
#include "frontend/guards/python_value.h"
#include "frontend/guards/word_scan.h"

namespace braze {

class StateGuards : private DictObserver {
 public:
  /// How much of a dict matters. Listed: the given keys, absent ones included. Named: all keys among the names of
  /// `set_names` (and, for classes, special method names). All: every key and their order.
  enum class Scope : uint8_t { Listed, Named, NamedAndSpecial, All, Frozen };

  StateGuards() = default;
  ~StateGuards() { stop_watching(); }
  StateGuards(const StateGuards&) = delete;
  StateGuards& operator=(const StateGuards&) = delete;

  // Building. `path` is Python text that says where the thing is: "self.layers[0].weight".
  void set_names(PyObject* names);       // a set of str
  void add_weak_root(PyObject* object);  // before anything else refers to it
  void add_type(PyObject* object, const std::string& path);
  /// Of a tensor: its class, and a watch on what it holds if it has no attributes.
  void add_tensor(PyObject* tensor, const std::string& path);
  /// Guards which dict is the object's __dict__; returns it (borrowed), null when its type has none.
  PyObject* add_instance_dict(PyObject* object, const std::string& path);
  /// `keys`: tuple of str, for Listed only.
  void add_dict(PyObject* dict, Scope scope, PyObject* keys, const std::string& path);
  /// A dict no change of which is tolerated, not even one that restores it: the content of a cache.
  void add_frozen(PyObject* dict, const std::string& path);
  void add_list(PyObject* list, const std::string& path);
  void add_set(PyObject* set, const std::string& path);
  void add_context_variable(PyObject* variable, const std::string& path);
  void add_cell(PyObject* cell, const std::string& path);
  void add_function(PyObject* function, const std::string& path);
  /// What a function or a class is called and says of itself: __name__, __qualname__, __doc__, __annotations__.
  void add_labels(PyObject* object, const std::string& path);
  /// What a C function without arguments and effects answers: an immutable value.
  void add_answer(PyObject* function, const std::string& path);
  /// __mro__, metaclass and dict of a class that can change; `all`: its whole dict instead of the names.
  void add_class(PyObject* cls, bool all, const std::string& path);
  /// A field of the object that `descriptor` (a member descriptor of its class) reads. False when it is not a plain
  /// object field.
  bool add_member(PyObject* object, PyObject* descriptor, const std::string& path);
  /// Notes that the guards were made by way of this object.
  void add_reached(PyObject* object) { reached_.insert(object); }
  bool reaches(PyObject* object) const { return reached_.count(object) > 0; }
  const PlainTensors& plain_tensors() const { return plain_tensors_; }
  /// How the input tensors of the recorded call relate to each other and to the tensors of the state.
  void add_alias_links(at::TensorImpl* const* inputs, size_t count, const std::vector<PyObject*>& tensors);

  /// Hot. Whether every guarded place is as recorded.
  bool check();
  /// Hot. Whether the input tensors alias as recorded. After `check`.
  bool check_aliases(at::TensorImpl* const* inputs, size_t count) const {
    return !has_links_ || links_.check(inputs, count);
  }

  /// The paths of all places that differ now. Cold.
  std::vector<std::string> changed();
  /// The first of them, or empty. Cold.
  std::string explain();
  /// One line a guarded place.
  std::vector<std::string> describe() const;
  size_t size() const { return pointers_.size() + dicts_.size() + lists_.size() + sets_.size(); }
  size_t dict_count() const { return dicts_.size(); }
  size_t watched_dict_count() const;
  size_t noted_dict_count() const { return noted_dicts_.size(); }

  int visit(visitproc visit, void* arg) const;
  /// Breaks reference cycles; no check succeeds afterwards.
  void clear();

 private:
  std::unordered_set<PyObject*> reached_;  // addresses: an object that has died may be taken for one that follows it
  struct Pointer {
    PyObject** address;
    PyObject* expected;
  };
  struct Dict {
    PyDictObject* dict;
    uint64_t tag;
    bool is_watched, is_noted;
  };
  struct DictContent {
    Scope scope;
    std::vector<std::pair<PyObject*, PyObject*>> items;  // key, expected value or null for absent
    std::string path;
    std::unordered_set<Py_hash_t> hashes;  // of the keys of a watched dict that is Listed
  };
  struct Order {
    PyObject* dict;
    const size_t* counter;
    size_t expected;
    uint32_t content;  // of which dict guard
  };
  struct Items {
    PyObject* object;
    uint32_t start, count;  // in items_
  };

  /// What a word is of: an index into pointers_, dicts_ or orders_.
  enum class WordOf : uint32_t { Pointer, Dict, Order };
  static uint32_t place_of(WordOf kind, size_t index) {
    return static_cast<uint32_t>(index) * 4 + static_cast<uint32_t>(kind);
  }

  void own(PyObject* object);
  void add_pointer(PyObject** address, const std::string& path);
  void name_pointer(PyObject** address, const std::string& path);
  void guard_dict(PyObject* dict, DictContent content);
  void dict_changes(uint32_t place, PyObject* key) override;
  void stop_watching();
  bool may_matter(const DictContent& content, PyObject* key) const;
  bool matters(const DictContent& content, PyObject* key) const;
  WordScan::Answer ask(uint32_t place);
  bool check_noted_dicts();
  bool recheck(Dict& dict, const DictContent& content, std::string* difference = nullptr);
  bool recheck_all(PyObject* dict, const DictContent& content, std::string* difference) const;
  bool recheck(Order& order);
  bool check_list(const Items& list);
  bool check_set(const Items& set);
  static bool check_context(PyObject* variable, PyObject* expected);
  static bool check_answer(PyObject* function, PyObject* expected);
  bool roots_alive() const;

  WordScan words_;
  std::vector<uint32_t> noted_dicts_;  // those that may have changed
  std::vector<Pointer> pointers_;
  std::vector<Dict> dicts_;
  std::vector<Order> orders_;
  std::vector<Items> lists_, sets_;
  std::vector<std::pair<PyObject*, PyObject*>> context_;  // context variable, expected value or null
  std::vector<std::pair<PyObject*, PyObject*>> answers_;  // function, expected result
  std::vector<PyObject*> items_;
  std::vector<PyRef> weak_roots_;  // weak references

  std::vector<DictContent> contents_;
  std::vector<std::string> pointer_paths_, list_paths_, set_paths_, context_paths_, answer_paths_;
  std::unordered_set<PyObject*> weak_, owned_index_;
  std::vector<PyRef> owned_;
  PyRef names_;
  std::unordered_set<Py_hash_t> name_hashes_;
  AliasLinks links_;
  bool has_links_ = false;
  PlainTensors plain_tensors_;
  bool cleared_ = false;
};

}  // namespace braze
