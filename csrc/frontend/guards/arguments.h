// The arguments of a recorded call: their structure, and per leaf what a later call must have in its place.
#pragma once

#include <c10/util/SmallVector.h>

#include <memory>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "frontend/capture/refusal.h"
#include "frontend/guards/cpython_objects.h"
#include "frontend/guards/python_value.h"
#include "frontend/guards/tensor_specs.h"

namespace braze {

/// The input tensors of one call in flatten order, and owned references to those that only a container of the caller's
/// keeps alive.
struct CallInputs {
  c10::SmallVector<at::TensorImpl*, 32> tensors;
  c10::SmallVector<int64_t, 8> symbols;  // the sizes and numbers that the spec leaves open
  c10::SmallVector<PyObject*, 4> held;
  c10::SmallVector<PyObject*, 8> containers;  // borrowed: the lists, dicts and plain objects among them, in order

  CallInputs() = default;
  CallInputs(const CallInputs&) = delete;
  CallInputs& operator=(const CallInputs&) = delete;
  ~CallInputs() { reset(); }
  void reset() {
    tensors.clear();
    for (PyObject* object : held) Py_DECREF(object);
    held.clear();
    containers.clear();
  }
};

/// What an owner of places holds under a name: a dict, a cell, an object with attributes; null when nothing (borrowed).
PyObject* entry_of(PyObject* owner, PyObject* name);

/// Tuples (of any tuple type without a __dict__), lists and dicts (exact types) are matched by structure; tensors by
/// TensorSpecs; immutable values by type and value; any other object by identity, held weakly where its type allows,
/// or, when asked for, a plain object by its class and attributes (and items, where its class is a kind of dict).
/// Positional and keyword arguments are kept as passed. Attributes of other objects that the call reads and replaces (a
/// recurrent state on a module) follow the arguments, as if they had been passed too.
class ArgumentSpec {
 public:
  /// Attributes of one object, or entries of a dict: a tuple of their names, where one may be absent. `counters` are
  /// those of them that hold an integer of which only the call's sum is ever changed: any integer does. Without names,
  /// all items of a list or dict.
  struct Place {
    PyRef owner, names, counters;
    std::string path;
  };

  /// Null with a refusal when an argument is of a kind that is not vouched for.
  /// `keyword_order_matters`: the function has a **kwargs parameter, so it can see the order. `by_structure`: paths of
  /// plain objects that are matched, with all inside them, by attributes, and of tuples that count as containers since
  /// the call returns them; "*" stands for all. `by_identity`: paths of
  /// containers that are matched as objects. `attributes_matter`: the function may read attributes that Python has set
  /// on tensors, so there must be none.
  static std::unique_ptr<ArgumentSpec> build(PyObject* args, PyObject* kwargs, bool keyword_order_matters,
                                             bool attributes_matter,
                                             const std::unordered_set<std::string>& by_structure,
                                             const std::unordered_set<std::string>& by_identity,
                                             const std::vector<Place>& places, Refusal& refusal);

  /// Vectorcall arguments. When true, `inputs` has the tensors in flatten order.
  bool check(PyObject* const* args, size_t positional, PyObject* keyword_names, CallInputs& inputs) const;

  /// A spec for calls like those of `a` and of `b`, which differ in sizes of tensors (TensorSpecs::generalise) and in
  /// Python integers only; null when they differ in more or not at all.
  static std::unique_ptr<ArgumentSpec> generalise(const ArgumentSpec& a, const ArgumentSpec& b);
  /// What the sizes and numbers left open were found from; empty for a spec of one call.
  const std::vector<TensorSpecs::Symbol>& symbols() const { return symbols_; }

  /// A spec for calls like those of `a` and of `b`, which differ in Python floats only, whatever those are; null when
  /// they differ in more or not at all.
  static std::unique_ptr<ArgumentSpec> with_any_floats(const ArgumentSpec& a, const ArgumentSpec& b);

  /// An object in the place of a number that the spec leaves open: the item or attribute `key` of a container, by its
  /// place in CallInputs::containers.
  struct Substitute {
    size_t container;
    PyRef key, value;
  };
  /// Arguments with `values`, by symbol, in the places of the numbers left open: new tuples of positional and keyword
  /// arguments, and in `inside` what has to be put into containers. False when a place cannot hold it.
  bool substitute(PyObject* args, PyObject* kwargs, const std::vector<PyObject*>& values, PyRef& new_args,
                  PyRef& new_kwargs, std::vector<Substitute>& inside) const;

  /// Whether a tensor has attributes that the function may read.
  bool has_attributes(PyObject* tensor) const { return attributes_matter_ && !cpython::has_no_own_attributes(tensor); }

  size_t tensor_count() const { return tensors_.size(); }
  const TensorSpecs& tensors() const { return tensors_; }

  /// The objects matched by identity with their paths ("args[1].config"): roots of the state snapshot. Dead ones are
  /// left out.
  std::vector<std::pair<std::string, PyObject*>> objects() const;
  /// An object matched by identity has died: this spec can never hold again.
  bool is_dead() const;

  /// The classes of tuples, lists, dicts and plain objects that are looked into.
  const std::vector<PyRef>& container_types() const { return types_; }
  /// Of the containers of CallInputs: whether it is in its place by identity, as it owns attributes that count as
  /// arguments.
  bool is_owner(size_t container) const { return container_is_owner_[container]; }

  /// Where the containers of CallInputs are.
  std::vector<std::string> container_paths() const;

  /// One line a leaf.
  std::vector<std::string> describe() const;
  /// Which leaf differs in a call that failed `check`; empty when none does. Cold.
  std::string explain(PyObject* const* args, size_t positional, PyObject* keyword_names) const;

  int visit(visitproc visit, void* arg) const;

 private:
  enum class Kind : uint8_t {
    Tensor,
    Same,
    Value,
    Number,
    AnyFloat,
    Integer,
    Object,
    Tuple,
    KeptTuple,
    List,
    Dict,
    Instance,
    Mapping,
    Owner,
    Absent
  };
  struct Node {
    Kind kind;
    uint32_t index;      // the tensor, symbol, object, owner, or number of children
    PyTypeObject* type;  // borrowed for static types, else kept by types_
    PyRef value;  // Same, Value: the expected object. Dict, Instance, Owner: the tuple of keys, in order, or null
    uint32_t path;
  };
  class Builder;
  class Matcher;
  class Substituter;

  static bool alike(const ArgumentSpec& a, const ArgumentSpec& b);
  static bool alike(const ArgumentSpec& a, const ArgumentSpec& b, size_t node);

  std::vector<Node> nodes_;  // preorder
  std::vector<std::string> paths_;
  TensorSpecs tensors_;
  std::vector<TensorSpecs::Symbol> symbols_;
  std::vector<ObjectRef> objects_;
  std::vector<uint32_t> object_paths_;
  std::vector<PyRef> types_;
  std::vector<bool> container_is_owner_;
  std::vector<uint32_t> container_pattern_;  // for each list or dict in order: the first one that is the same object
  size_t positional_ = 0;
  std::vector<uint32_t> keyword_nodes_;  // root node of each keyword argument
  PyRef keyword_names_;                  // tuple of str, in the order of the recorded call
  bool keyword_order_matters_ = true, attributes_matter_ = true;
  std::vector<ObjectRef> owners_;
};

}  // namespace braze
