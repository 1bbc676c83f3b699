#include "backends/reference/run_plan.h"

#include "backends/reference/interpret_kernel.h"
#include "support/error.h"

namespace braze {
namespace {

constexpr std::byte kGarbage{0xcd};

class Runner {
 public:
  using StepSizes = std::vector<std::vector<int64_t>>;

  Runner(const Plan& plan, const StepSizes& sizes, std::vector<Buffer>& inputs, const CallFunction& call,
         const KernelFunction& run_kernel)
      : plan_(plan),
        sizes_(sizes),
        inputs_(inputs),
        call_(call),
        run_kernel_(run_kernel ? run_kernel : interpret_kernel),
        arena_(plan.arena_bytes, kGarbage),
        owned_(plan.owned_slots) {
    for (const OutputBuffer& output : plan.outputs) outputs_.push_back(garbage(output.dtype, output.length));
  }

  std::vector<Buffer> run() {
    for (at_ = 0; at_ < plan_.steps.size(); ++at_) std::visit([&](const auto& step) { run(step); }, plan_.steps[at_]);
    for (size_t i = 0; i < outputs_.size(); ++i)
      if (const int32_t slot = plan_.outputs[i].owned; slot >= 0) outputs_[i] = owned_[slot];
    return std::move(outputs_);
  }

 private:
  static Buffer garbage(DType dtype, int64_t length) { return Buffer(length * info(dtype).bytes, kGarbage); }

  std::byte* at(const BufferRef& place) {
    switch (place.kind) {
      case BufferRef::Kind::Input: return inputs_[place.index].data();
      case BufferRef::Kind::Output: return outputs_[place.index].data();
      case BufferRef::Kind::Owned: return owned_[place.index].data();
      case BufferRef::Kind::Arena: return arena_.data() + place.offset;
    }
    return nullptr;
  }

  void run(const KernelStep& step) {
    const Kernel& kernel = plan_.kernels[step.kernel];
    std::vector<void*> params;
    params.reserve(step.params.size());
    for (const BufferRef& place : step.params) params.push_back(at(place));
    std::vector<int64_t> sizes;
    if (kernel.is_parametric()) sizes = sizes_.at(at_);
    params.push_back(sizes.data());
    check_user(run_kernel_(kernel, params.data(), 0, kernel.parallel_points(sizes)) == 0, "an index is out of range");
  }

  void run(const ExternStep& step) {
    check_internal(static_cast<bool>(call_), "run_plan cannot run a library call");
    for (const ExternTensor& result : step.results)
      if (result.buffer.kind == BufferRef::Kind::Owned)
        owned_[result.buffer.index] = garbage(result.dtype, result.geometry.extent());
    std::vector<std::byte*> operands, results;
    for (const ExternTensor& operand : step.operands) operands.push_back(at(operand.buffer));
    for (const ExternTensor& result : step.results) results.push_back(at(result.buffer));
    call_(step, operands, results);
    for (int32_t slot : step.release) owned_[slot].assign(owned_[slot].size(), kGarbage);
  }

  const Plan& plan_;
  const StepSizes& sizes_;
  size_t at_ = 0;  // the step being run
  std::vector<Buffer>& inputs_;
  const CallFunction& call_;
  const KernelFunction run_kernel_;
  Buffer arena_;
  std::vector<Buffer> outputs_, owned_;
};

}  // namespace

std::vector<Buffer> run_plan(const Plan& plan, std::vector<Buffer>& inputs, const CallFunction& call,
                             const KernelFunction& run_kernel) {
  return Runner(plan, {}, inputs, call, run_kernel).run();
}

std::vector<Buffer> run_plan(const PlanInstance& instance, std::vector<Buffer>& inputs, const CallFunction& call,
                             const KernelFunction& run_kernel) {
  return Runner(instance.plan, instance.step_sizes, inputs, call, run_kernel).run();
}

}  // namespace braze
