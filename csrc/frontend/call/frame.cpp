#include "frontend/call/frame.h"

#include <cstdlib>
#include <new>

namespace braze {

void Frame::FreeDelete::operator()(std::byte* memory) const { std::free(memory); }

Frame::Frame(const Plan& plan, const std::vector<std::unique_ptr<ExternCallSite>>& sites)
    : params(plan.steps.size()), invocations(plan.steps.size()), owned(plan.owned_slots) {
  if (plan.arena_bytes > 0) {
    arena_.reset(static_cast<std::byte*>(std::aligned_alloc(64, (plan.arena_bytes + 63) / 64 * 64)));
    if (!arena_) throw std::bad_alloc();
  }
  auto in_arena = [&](const BufferRef& ref) { return ref.kind == BufferRef::Kind::Arena; };
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    if (auto* kernel = std::get_if<KernelStep>(&plan.steps[s])) {
      params[s].resize(kernel->params.size());
      for (size_t p = 0; p < kernel->params.size(); ++p)
        if (in_arena(kernel->params[p])) params[s][p] = arena_.get() + kernel->params[p].offset;
      continue;
    }
    const auto& step = std::get<ExternStep>(plan.steps[s]);
    invocations[s] = std::make_unique<ExternInvocation>(*sites[s]);
    auto address = [&](const ExternTensor& tensor) {
      return arena_.get() + tensor.buffer.offset + tensor.geometry.offset * info(tensor.dtype).bytes;
    };
    for (size_t i = 0; i < step.operands.size(); ++i)
      if (in_arena(step.operands[i].buffer)) invocations[s]->set_operand(i, address(step.operands[i]));
    if (step.into_results)
      for (size_t i = 0; i < step.results.size(); ++i)
        if (in_arena(step.results[i].buffer)) invocations[s]->set_result(i, address(step.results[i]));
  }
}

}  // namespace braze
