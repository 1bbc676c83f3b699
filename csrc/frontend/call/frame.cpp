#include "frontend/call/frame.h"

namespace braze {

Frame::Frame(const Plan& plan, const std::vector<std::unique_ptr<ExternCallSite>>& sites,
             const std::vector<std::vector<int64_t>>& step_sizes)
    : params(plan.steps.size()), invocations(plan.steps.size()), owned(plan.owned_slots), arena_(plan.arena_bytes) {
  auto in_arena = [&](const BufferRef& ref) { return ref.kind == BufferRef::Kind::Arena; };
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    if (auto* kernel = std::get_if<KernelStep>(&plan.steps[s])) {
      params[s].resize(kernel->params.size());
      for (size_t p = 0; p < kernel->params.size(); ++p)
        if (in_arena(kernel->params[p])) params[s][p] = arena_.data() + kernel->params[p].offset;
      if (!step_sizes[s].empty()) params[s].push_back(const_cast<int64_t*>(step_sizes[s].data()));
      continue;
    }
    const auto& step = std::get<ExternStep>(plan.steps[s]);
    invocations[s] = std::make_unique<ExternInvocation>(*sites[s]);
    auto address = [&](const ExternTensor& tensor) {
      return arena_.data() + tensor.buffer.offset + tensor.geometry.offset * info(tensor.dtype).bytes;
    };
    for (size_t i = 0; i < step.operands.size(); ++i)
      if (in_arena(step.operands[i].buffer)) invocations[s]->set_operand(i, address(step.operands[i]));
    if (step.into_results)
      for (size_t i = 0; i < step.results.size(); ++i)
        if (in_arena(step.results[i].buffer)) invocations[s]->set_result(i, address(step.results[i]));
  }
}

}  // namespace braze
