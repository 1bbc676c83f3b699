// The program as data: values (buffers of one dtype), nodes (what computes them), accesses (how a node reads them).
//
// There are no view nodes. Every operand that reads memory is an Access: a value plus a strided window (Geometry) into
// the buffer that holds it. expand, permute, slice, split, select, unfold, diagonal... are only geometries, so they
// cost nothing and never hide a fusion. A write into part of a buffer is an `update` node, whose result is a new
// version of that buffer (single assignment); the memory plan later lets the new version live where the old one did.
//
// Invariants (verify.h checks them):
//   - nodes are in execution order: an operand's value is an input or a result of an earlier node;
//   - elementwise, index, gather: every access and the result have the same sizes (broadcast is a stride of 0);
//   - reduce: the operand has the domain's sizes, the result has 1 in every reduced dim;
//   - each access stays inside its value's buffer: 0 <= address < length;
//   - an access reads at the value's dtype.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "ops/dtype.h"
#include "ops/op.h"
#include "ops/scalar.h"

namespace braze {

using ValueId = int32_t;
using NodeId = int32_t;

/// A strided window into a buffer, in elements. Strides may be 0 (broadcast); they are never negative.
struct Geometry {
  int64_t offset = 0;
  std::vector<int64_t> sizes;
  std::vector<int64_t> strides;

  static Geometry contiguous(std::vector<int64_t> sizes);
  int64_t numel() const;
  /// One past the largest address reached; 0 when there are no elements.
  int64_t extent() const;
  /// True when the window covers addresses [0, numel) once each.
  bool is_dense() const;
  bool operator==(const Geometry&) const = default;
};

struct Access {
  ValueId value = -1;
  Geometry geometry;
  bool operator==(const Access&) const = default;
};

/// What a node reads: memory, or a number known at compile time (then it applies to every element).
using Operand = std::variant<Access, Scalar>;

/// A buffer of `length` elements. `shape` is the geometry its producer writes (dense, offset 0); an input is flat:
/// [length:1].
struct Value {
  DType dtype = DType::f32;
  int64_t length = 0;
  Geometry shape;
  NodeId producer = -1;  // -1: an input
  bool frozen = false;   // an input that holds the same numbers at every call
};

/// One index operand of a gather: it moves the address by index * stride; indices lie in [-size, size).
struct IndexedDim {
  int64_t size = 0;
  int64_t stride = 0;
  bool operator==(const IndexedDim&) const = default;
};

/// An argument of an extern call, in schema order. Tensors are positions in the node's operands (-1: absent).
struct TensorArg {
  int operand = -1;
  bool operator==(const TensorArg&) const = default;
};
struct TensorListArg {
  std::vector<int> operands;
  bool operator==(const TensorListArg&) const = default;
};
struct NoneArg {
  bool operator==(const NoneArg&) const = default;
};
struct ComplexArg {
  double real = 0, imag = 0;
  bool operator==(const ComplexArg&) const = default;
};
/// Things PyTorch spells as enums or objects: kind is "dtype", "layout", "device" or "memory_format", value its torch
/// name.
struct NamedArg {
  std::string kind, value;
  bool operator==(const NamedArg&) const = default;
};
using ExternArg = std::variant<NoneArg, TensorArg, TensorListArg, bool, int64_t, double, ComplexArg, std::string,
                               NamedArg, std::vector<int64_t>, std::vector<double>, std::vector<bool>>;

/// A call of a PyTorch operator. `op` is "namespace::name", `overload` may be empty. For each (operand, result) in
/// `mutates` the operator writes through that operand; `result` is the new version of the operand's whole buffer.
/// Results that no `mutates` entry names are the operator's fresh outputs in schema order. `returns` gives, per schema
/// return, the result index it is, or -1 when it is an alias of a mutated operand or was never used.
struct ExternCall {
  std::string op;
  std::string overload;
  std::vector<ExternArg> args;
  std::vector<std::pair<int, int>> mutates;
  std::vector<int> returns;
  bool operator==(const ExternCall&) const = default;
};

struct Node {
  Op op = Op::empty_;
  std::vector<Operand> operands;
  std::vector<ValueId> results;

  int dim = -1;                  // index
  std::vector<int> reduce_dims;  // reduce, ascending
  std::vector<IndexedDim>
      indexed;      // gather: one for each of operands[1..]; operands[0] is the table, with stride 0 along indexed dims
  Geometry region;  // update: where in the buffer the second operand goes
  ExternCall call;  // extern
  std::string origin;  // the ATen op this came from, for explain and logs; never part of equality or hash
};

/// An input whose buffer holds, when the program ends, the contents of `value` (same dtype and length).
struct Mutation {
  int input = -1;
  ValueId value = -1;
};

struct Graph {
  std::vector<Value> values;
  std::vector<Node> nodes;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;     // buffers handed to the caller, each a fresh allocation
  std::vector<Mutation> mutations;  // at most one an input
  bool sizes_vary = false;          // nothing may be made that depends on the sizes otherwise than by whole numbers

  /// Adds a value (dense `shape`; length is its extent unless given) without a producer.
  ValueId add_value(DType dtype, Geometry shape, int64_t length = -1);
  /// Adds a flat input buffer of `length` elements.
  ValueId add_input(DType dtype, int64_t length);
  /// Appends a node with one result of `dtype` and `shape` and returns that result.
  ValueId append(Node node, DType dtype, Geometry shape);
  /// Appends a node whose results were made with add_value already; sets their producer.
  void append(Node node);

  const Value& value(ValueId id) const { return values[id]; }
  /// An access to the whole of a value in its own shape.
  Access whole(ValueId id) const { return {id, values[id].shape}; }
};

/// The dtype an operand is read at.
DType dtype_of(const Graph& graph, const Operand& operand);

}  // namespace braze
