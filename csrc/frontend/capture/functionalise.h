// Recording -> graph: writes become new versions of buffers, views become geometries, outputs and mutations are told
// apart.
//
// A storage is a buffer; at each moment it has one current version, a value of the graph. An operator reads its
// operands' current versions through their geometries and, where its schema writes, makes the next version. What the
// caller passed in (arguments, tensors found by the guards, literals) are slots; a graph input covers what the call can
// see of one storage.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <variant>
#include <vector>

#include "frontend/capture/recording.h"
#include "frontend/capture/refusal.h"
#include "graph/graph.h"

namespace braze {

/// Where a graph input's memory is: the first element of `slot`'s tensor plus `delta` elements.
struct GraphInput {
  int slot = -1;
  int64_t delta = 0;
  bool operator==(const GraphInput&) const = default;
};

/// How a tensor of the result is made.
struct TensorOutput {
  enum class Kind : uint8_t {
    Buffer,  // index: graph output; geometry inside it
    Input,   // index: slot; the caller's own object
    View     // index: slot; geometry's offset counts from the slot's first element
  };
  Kind kind = Kind::Buffer;
  /// Where autograd's link to the slot is cut: nowhere, from the view, or before it was made.
  enum class Detached : uint8_t { No, View, Base };
  int index = -1;
  DType dtype = DType::f32;
  Geometry geometry;
  Detached detached = Detached::No;
  int base = -1;  // Buffer: the result that this one is a view of
  bool operator==(const TensorOutput&) const = default;
};

/// A number that Python was given during the call: graph output `output` must hold it again, else the call took another
/// path.
struct ValueGuard {
  int output = -1;
  ReadValue value;
};

/// A slot whose tensor has to lack something.
struct AbsenceGuard {
  int slot = -1;
  Absence what = Absence::Gradient;
  bool operator==(const AbsenceGuard&) const = default;
};

struct CapturedProgram {
  Graph graph;
  std::vector<GraphInput> inputs;     // one a graph input
  std::vector<int> captured;          // positions in the candidates that are read: slots after the arguments
  std::vector<at::Tensor> constants;  // literals: slots after the captured tensors
  std::vector<TensorOutput> outputs;  // one a result tensor
  std::vector<int> mutated;           // slots whose memory the call writes
  std::vector<int> version_moves;  // by how much the call moves each slot's version counter; found by who ran the call
  std::vector<ValueGuard> value_guards;
  std::vector<AbsenceGuard> absences;
  std::vector<at::Tensor> packed;  // weights in the library's own layout, by the numbers that the graph gives them
  std::vector<at::Generator> generators;  // by the numbers that the graph gives them; 0 is PyTorch's own
  std::vector<at::Generator> drawn;       // those the call moves
  std::vector<int64_t> slot_offsets;  // arguments' and captured tensors' storage offsets, when the call could see them
  bool sized_by_values = false;       // values decide the size of something
  bool meets_autograd = false;        // as Recording's
  bool shares_memory = false;         // among the slots: the graph holds for this pattern of it only
};

/// `arguments`: the call's tensors in order. `candidates`: tensors guards can reach. `results`: the tensors the call
/// returned. `generators`: those guards can reach.
std::variant<CapturedProgram, Refusal> functionalise(const Recording& recording,
                                                     const std::vector<at::Tensor>& arguments,
                                                     const std::vector<at::Tensor>& candidates,
                                                     const std::vector<at::Tensor>& results,
                                                     const std::vector<at::Generator>& generators);

}  // namespace braze
