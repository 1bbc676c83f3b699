#include "frontend/freeze/freeze.h"

#include <ATen/core/LegacyTypeDispatch.h>

#include <algorithm>

#include "compiler.h"
#include "frontend/call/recurrence_choice.h"
#include "frontend/freeze/linear_call.h"
#include "passes/convolution_call.h"
#include "passes/pass.h"

namespace braze {
namespace {

/// Captured tensors and literals that the call does not write. A tensor made in inference mode has no version counter.
void mark_frozen_inputs(CapturedProgram& program, const std::vector<at::Tensor>& slots) {
  const size_t arguments = slots.size() - program.captured.size();
  for (size_t i = 0; i < program.inputs.size(); ++i) {
    const auto slot = static_cast<size_t>(program.inputs[i].slot);
    if (slot < arguments) continue;
    if (slot < slots.size() && (!slots[slot].is_cpu() || slots[slot].is_inference())) continue;
    program.graph.values[program.graph.inputs[i]].frozen = true;
  }
  for (const Mutation& mutation : program.graph.mutations)
    program.graph.values[program.graph.inputs[mutation.input]].frozen = false;
}

std::shared_ptr<FrozenTensors> guards_for(const std::vector<at::Tensor>& slots, const std::vector<char>& baked) {
  auto guards = std::make_shared<FrozenTensors>();
  for (size_t s = 0; s < slots.size(); ++s) {
    const bool shares = std::any_of(baked.begin(), baked.end(),
                                    [&](const char& b) { return b && slots[&b - baked.data()].is_alias_of(slots[s]); });
    if (shares) guards->add(s, slots[s]);
  }
  return guards;
}

/// Weights that are read in another form now would still be looked up at every call, and constants that only led to
/// others would stay.
void drop_unread_inputs(CapturedProgram& program, size_t slots) {
  Graph& graph = program.graph;
  std::vector<char> read(graph.values.size(), 0);
  for (const Node& node : graph.nodes)
    for (const Operand& operand : node.operands)
      if (auto* access = std::get_if<Access>(&operand)) read[access->value] = 1;
  for (ValueId id : graph.outputs) read[id] = 1;
  for (const Mutation& m : graph.mutations) read[m.value] = read[graph.inputs[m.input]] = 1;
  std::vector<int> moved(graph.inputs.size(), -1);
  size_t kept = 0;
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    if (!read[graph.inputs[i]]) continue;
    moved[i] = static_cast<int>(kept);
    graph.inputs[kept] = graph.inputs[i];
    program.inputs[kept++] = program.inputs[i];
  }
  graph.inputs.resize(kept);
  program.inputs.resize(kept);
  for (Mutation& m : graph.mutations) m.input = moved[m.input];
  dce(graph);
  std::vector<at::Tensor> constants;
  for (GraphInput& input : program.inputs) {
    if (input.slot < static_cast<int>(slots)) continue;
    constants.push_back(program.constants[input.slot - slots]);
    input.slot = static_cast<int>(slots + constants.size()) - 1;
  }
  program.constants = std::move(constants);
}

}  // namespace

std::optional<FrozenProgram> freeze(const CapturedProgram& original, const std::vector<at::Tensor>& slots,
                                    const Options& options) {
  FrozenProgram frozen{.program = original, .guards = nullptr, .record = {}};
  CapturedProgram& program = frozen.program;
  mark_frozen_inputs(program, slots);
  if (const auto prefers_own = recurrence_choice(options)) own_recurrence(program.graph, prefers_own);
  Freezing freezing(program, slots, options);
  evaluate_constants(freezing);
  choose_linears(freezing);
  run_passes(program.graph, disabled_passes(options));
  evaluate_constants(freezing);
  choose_convolutions(freezing);
  choose_linears(freezing);  // convolutions that became products
  const FreezeRecord& record = freezing.record;
  if (record.folded + record.transposed + record.linears + record.convolutions + record.products +
          record.own_convolutions ==
      0)
    return std::nullopt;
  for (ValueId id : program.graph.inputs) program.graph.values[id].frozen = false;  // the choices are made
  drop_unread_inputs(program, slots.size());
  frozen.guards = guards_for(slots, freezing.baked());
  frozen.record = record;
  for (const at::Tensor& constant : program.constants) frozen.record.bytes += static_cast<int64_t>(constant.nbytes());
  return frozen;
}

std::pair<int, int> count_freezable(const CapturedProgram& original, const std::vector<at::Tensor>& slots) {
  CapturedProgram program = original;
  mark_frozen_inputs(program, slots);
  std::pair<int, int> counts;
  for (const Node& node : program.graph.nodes) {
    auto linear = read_linear(program.graph, node);
    auto convolution = read_convolution(node);
    counts.first += linear && program.graph.value(linear->weight.value).frozen;
    counts.second += convolution && program.graph.value(convolution->weight.value).frozen;
  }
  return counts;
}

}  // namespace braze
