#include "compiler.h"
#include "frontend/call/compiled_call.h"
#include "frontend/freeze/freezing.h"
#include "frontend/library/out_variant.h"
#include "passes/split_constants.h"
#include "support/error.h"

namespace braze {

/// The constant part is a program like any other, run on the tensors its inputs stand for.
void evaluate_constants(Freezing& freezing) {
  CapturedProgram& program = freezing.program;
  ConstantPart part = split_constants(program.graph);
  if (part.graph.outputs.empty()) return;

  CapturedProgram constants;
  constants.graph = part.graph;
  constants.generators = program.generators;
  std::vector<at::TensorImpl*> inputs;
  for (size_t i = 0; i < part.inputs.size(); ++i) {
    const GraphInput& place = program.inputs[part.inputs[i]];
    freezing.depend_on(place.slot);
    constants.inputs.push_back({static_cast<int>(i), place.delta});
    inputs.push_back(freezing.tensor_of(place.slot).unsafeGetTensorImpl());
  }
  for (size_t i = 0; i < part.graph.outputs.size(); ++i) {
    const Value& value = part.graph.value(part.graph.outputs[i]);
    constants.outputs.push_back(
        {TensorOutput::Kind::Buffer, static_cast<int>(i), value.dtype, Geometry::contiguous({value.length})});
  }
  CompiledCall call(compile(part.graph, freezing.options, has_out_variant), boundary_of(constants));
  std::vector<at::Tensor> results;
  check_internal(call.run(inputs.data(), inputs.size(), results), "constants could not be computed");
  for (at::Tensor& result : results) {
    program.inputs.push_back({freezing.next_slot(), 0});
    ++freezing.record.folded;
    program.constants.push_back(std::move(result));
  }
}

}  // namespace braze
