// Where a compiled program meets its caller: which tensors its buffers are, what it returns, what must hold beside the
// guards. All of a captured program but its graph.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "frontend/capture/functionalise.h"

namespace braze {

struct CallBoundary {
  std::vector<GraphInput> inputs;  // one a graph input
  std::vector<int> written;        // graph inputs the program writes
  std::vector<at::Tensor> constants;
  std::vector<TensorOutput> outputs;
  std::vector<int> mutated;        // slots whose memory it writes
  std::vector<int> version_moves;  // by slot
  std::vector<ValueGuard> value_guards;
  std::vector<AbsenceGuard> absences;
  std::vector<at::Generator> generators;  // by the numbers that the graph gives them
  std::vector<at::Generator> drawn;       // that the program moves: a call that stops half way puts them back
  std::vector<int64_t> slot_offsets;      // storage offsets that must be as recorded; empty: any
  std::vector<at::Tensor> packed;         // weights in the library's own layout, by the numbers the graph gives them
};

CallBoundary boundary_of(const CapturedProgram& program);

/// Whether two boundaries differ in sizes, strides and offsets at most.
bool same_but_for_sizes(const CallBoundary& a, const CallBoundary& b);

/// Its sizes, strides and offsets in a fixed order.
std::vector<int64_t> integers_of(const CallBoundary& boundary);
/// The boundary with others in their place; nothing when a size that was 2 or more is less, or one is negative.
std::optional<CallBoundary> with_integers(CallBoundary boundary, std::span<const int64_t> integers);

}  // namespace braze
