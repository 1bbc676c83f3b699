#include "frontend/call/call_boundary.h"

#include <algorithm>

#include "frontend/capture/same_program.h"
#include "support/error.h"

namespace braze {
namespace {

/// Calls visit(integer) for each size, stride and offset.
template <typename Boundary, typename Visit>
void visit_integers(Boundary& boundary, Visit visit) {
  for (auto& input : boundary.inputs) visit(input.delta);
  for (auto& output : boundary.outputs) {
    visit(output.geometry.offset);
    for (auto& size : output.geometry.sizes) visit(size);
    for (auto& stride : output.geometry.strides) visit(stride);
  }
}

}  // namespace

CallBoundary boundary_of(const CapturedProgram& program) {
  CallBoundary boundary;
  boundary.inputs = program.inputs;
  boundary.constants = program.constants;
  boundary.outputs = program.outputs;
  boundary.mutated = program.mutated;
  boundary.version_moves = program.version_moves;
  boundary.value_guards = program.value_guards;
  boundary.absences = program.absences;
  boundary.generators = program.generators;
  boundary.drawn = program.drawn;
  boundary.slot_offsets = program.slot_offsets;
  boundary.packed = program.packed;
  for (const auto& mutation : program.graph.mutations) boundary.written.push_back(mutation.input);
  return boundary;
}

bool same_but_for_sizes(const CallBoundary& a, const CallBoundary& b) {
  if (a.inputs.size() != b.inputs.size() || a.outputs.size() != b.outputs.size() || a.written != b.written ||
      a.mutated != b.mutated || a.version_moves != b.version_moves || !a.packed.empty() || !b.packed.empty() ||
      a.generators != b.generators || a.slot_offsets != b.slot_offsets || a.absences != b.absences ||
      a.constants.size() != b.constants.size() || a.value_guards.size() != b.value_guards.size())
    return false;
  for (size_t i = 0; i < a.inputs.size(); ++i)
    if (a.inputs[i].slot != b.inputs[i].slot) return false;
  for (size_t i = 0; i < a.outputs.size(); ++i) {
    const TensorOutput &x = a.outputs[i], &y = b.outputs[i];
    if (x.kind != y.kind || x.detached != y.detached || x.index != y.index || x.dtype != y.dtype ||
        x.geometry.sizes.size() != y.geometry.sizes.size())
      return false;
  }
  for (size_t i = 0; i < a.constants.size(); ++i)
    if (!same_contents(a.constants[i], b.constants[i])) return false;
  return true;
}

std::vector<int64_t> integers_of(const CallBoundary& boundary) {
  std::vector<int64_t> integers;
  visit_integers(boundary, [&](int64_t integer) { integers.push_back(integer); });
  return integers;
}

std::optional<CallBoundary> with_integers(CallBoundary boundary, std::span<const int64_t> integers) {
  size_t next = boundary.inputs.size();
  for (const auto& output : boundary.outputs) {
    ++next;  // the offset
    for (int64_t size : output.geometry.sizes)
      if (integers[next++] < std::min<int64_t>(size, 2)) return std::nullopt;
    next += output.geometry.strides.size();
  }
  if (std::any_of(integers.begin() + static_cast<ptrdiff_t>(boundary.inputs.size()), integers.end(),
                  [](int64_t integer) { return integer < 0; }))
    return std::nullopt;
  next = 0;
  visit_integers(boundary, [&](int64_t& integer) { integer = integers[next++]; });
  check_internal(next == integers.size(), "a boundary got the wrong number of integers");
  return boundary;
}

}  // namespace braze
