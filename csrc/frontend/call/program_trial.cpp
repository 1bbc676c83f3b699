// Inputs of ones: how long a program takes does not hang on its numbers.
#include "frontend/call/program_trial.h"

#include <ATen/ops/ones.h>

#include <utility>

#include "frontend/capture/convert.h"
#include "support/error.h"

namespace braze {

ProgramTrial::ProgramTrial(const CapturedProgram& program, CompiledPlan compiled, int64_t copies)
    : call_(std::move(compiled), boundary_of(program)) {
  for (ValueId id : program.graph.inputs) {
    const Value& value = program.graph.value(id);
    inputs_.push_back(at::ones({value.length}, at::TensorOptions().dtype(scalar_type_of(value.dtype))));
  }
  for (int64_t i = 0; i < copies; ++i) copies_.push_back(inputs_.back().clone());
}

void ProgramTrial::run() {
  std::vector<at::TensorImpl*> inputs;
  for (const at::Tensor& tensor : inputs_) inputs.push_back(tensor.unsafeGetTensorImpl());
  inputs.back() = copies_[turn_++ % copies_.size()].unsafeGetTensorImpl();
  std::vector<at::Tensor> results;
  check_internal(call_.run(inputs.data(), inputs.size(), results), "a program on trial could not be run");
}

}  // namespace braze
