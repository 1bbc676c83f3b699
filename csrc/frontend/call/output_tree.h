// The value a compiled call returns, rebuilt around its output tensors.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "frontend/capture/refusal.h"
#include "frontend/guards/python_value.h"

namespace braze {

/// Where a tensor object of the traced result comes from at replay.
struct TensorSource {
  enum Kind { Output, Input, Unknown } kind = Unknown;
  size_t index = 0;  // of the executable's outputs, or of the call's inputs (the very object is returned)
};

/// Built from the result of a traced call. Tensors come from the executable or are inputs; immutable values are kept;
/// objects that existed before the call and containers of the arguments are returned themselves; tuples (named and
/// structseq too), lists, dicts and plain instances (of a class whose state is its __dict__, and for subclasses of dict
/// and OrderedDict their items), defaultdicts and sets of plain values are made anew. An object met twice is made once.
/// Anything else is refused.
class OutputTree {
 public:
  using Classify = std::function<TensorSource(PyObject* tensor)>;
  /// The integer that an object of a learning run stands for, or null: it is made from `numbers` then.
  using Number = std::function<PyRef(PyObject* object)>;

  /// `existing`: the objects known to have existed before the call and vouched for by the guards. `of_arguments`: the
  /// containers the caller passed, by their place in CallInputs::containers.
  static std::unique_ptr<OutputTree> build(PyObject* result, const Classify& classify, const Number& number,
                                           const std::unordered_set<PyObject*>& existing,
                                           const std::unordered_map<PyObject*, uint32_t>& of_arguments,
                                           Refusal& refusal);

  /// A new reference; null with a Python error set, or without one when an object to be returned has died.
  /// `numbers`: the integers that vary, in order.
  PyObject* make(std::vector<at::Tensor>& outputs, at::TensorImpl* const* inputs, PyObject* const* containers,
                 const int64_t* numbers = nullptr) const;

  /// `integers`: with the values of integers.
  std::string describe(bool integers = true) const;
  /// The integers among the constants, and whether they vary.
  std::vector<std::pair<PyRef, bool>> integers() const;
  int visit(visitproc visit, void* arg) const;

 private:
  enum class Kind : uint8_t {
    Output,
    Input,
    Constant,
    Number,
    Object,
    Argument,
    Again,
    Tuple,
    NamedTuple,
    StructSequence,
    List,
    Dict,
    Instance,
    DefaultDict,
    Set
  };
  struct Node {
    Kind kind;
    uint32_t index = 0;  // output, input, position in `numbers`, object, container of the arguments, earlier node
                         // (Again), or number of children
    PyRef type;
    PyRef value;  // Constant: the object. Number: what it was. Dict, Instance: the tuple of keys of the items. Set:
                  // one to be copied
    PyRef attributes;  // Instance: the tuple of names of its __dict__; their values follow those of the items.
                       // DefaultDict: its factory
  };
  class Builder;
  class Maker;

  static bool is_integer(const Node& node);

  std::vector<Node> nodes_;  // preorder
  std::vector<ObjectRef> objects_;
  uint32_t numbers_ = 0;
};

}  // namespace braze
