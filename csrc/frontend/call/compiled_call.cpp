#include "frontend/call/compiled_call.h"

#include <ATen/EmptyTensor.h>
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/ops/as_strided.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/csrc/stable/c/shim.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <unordered_set>

#include "frontend/call/memory_as.h"
#include "frontend/call/output_memory.h"
#include "frontend/capture/convert.h"
#include "support/error.h"

namespace braze {
namespace {

/// A call that touches less than this is over before another thread would have woken up.
constexpr int64_t kHeavyBytes = 1 << 18;

void torch_pool(int64_t begin, int64_t end, int64_t grain, void (*body)(int64_t, int64_t, void*), void* context) {
  torch_parallel_for(begin, end, grain, body, context);
}

at::Tensor borrow(at::TensorImpl* impl) {
  return at::Tensor(c10::intrusive_ptr<at::TensorImpl, c10::UndefinedTensorImpl>::reclaim_copy(impl));
}

int64_t bytes_of(const Plan& plan, const std::vector<int64_t>& input_bytes) {
  int64_t total = plan.arena_bytes;
  for (int64_t bytes : input_bytes) total += bytes;
  for (const auto& output : plan.outputs) total += output.length * info(output.dtype).bytes;
  return total;
}

/// Operators that may raise although their arguments' shapes are right: all but these, which look at no number.
bool may_raise(const ExternCall& call) {
  static const std::unordered_set<std::string> never = {"aten::mm",
                                                        "aten::addmm",
                                                        "aten::bmm",
                                                        "aten::baddbmm",
                                                        "aten::mv",
                                                        "aten::addmv",
                                                        "aten::addbmm",
                                                        "aten::convolution",
                                                        "aten::_softmax",
                                                        "aten::sort",
                                                        "aten::topk",
                                                        "aten::cumsum",
                                                        "aten::cat",
                                                        "aten::clone",
                                                        "aten::copy_",
                                                        "aten::rand",
                                                        "aten::randn",
                                                        "aten::uniform_",
                                                        "aten::normal_",
                                                        "aten::avg_pool2d",
                                                        "aten::max_pool2d_with_indices",
                                                        "aten::_scaled_dot_product_flash_attention_for_cpu"};
  return never.count(call.op) == 0;
}

bool runs_what_may_raise(const Plan& plan) {
  return std::any_of(plan.steps.begin(), plan.steps.end(), [](const Step& step) {
    auto* call = std::get_if<ExternStep>(&step);
    return call && may_raise(call->call);
  });
}

/// Whether a result is the planned output itself.
bool covers(const TensorOutput& output, const OutputBuffer& planned) {
  return output.dtype == planned.dtype && output.geometry.offset == 0 && output.geometry.sizes == planned.shape.sizes &&
         output.geometry.strides == planned.shape.strides;
}

/// `start`: where the geometry's offset counts from, in elements of `start_dtype`.
at::Tensor view_of(const at::Tensor& base, const TensorOutput& output, int64_t start, at::ScalarType start_dtype) {
  const at::Tensor seen = memory_as(base, scalar_type_of(output.dtype));
  const int64_t bytes = start * static_cast<int64_t>(at::elementSize(start_dtype));
  return at::as_strided(seen, output.geometry.sizes, output.geometry.strides,
                        bytes / static_cast<int64_t>(seen.itemsize()) + output.geometry.offset);
}

bool checks_indices(const Plan& plan) {
  for (const auto& kernel : plan.kernels)
    for (const auto& instr : kernel.body)
      if (instr.kind == InstrKind::Gather) return true;
  return false;
}

}  // namespace

CompiledCall::CompiledCall(CompiledPlan compiled, CallBoundary boundary, std::vector<std::vector<int64_t>> step_sizes)
    : compiled_(std::move(compiled)),
      boundary_(std::move(boundary)),
      step_sizes_(std::move(step_sizes)),
      launches_(compiled_.plan.steps.size()),
      sites_(compiled_.plan.steps.size()),
      frames_([this] { return std::make_unique<Frame>(compiled_.plan, sites_, step_sizes_); }) {
  const Plan& plan = compiled_.plan;
  shape_outputs();
  step_sizes_.resize(plan.steps.size());
  for (size_t i = 0; i < boundary_.inputs.size(); ++i) {
    const InputBuffer& buffer = plan.inputs.at(i);
    input_bytes_.push_back(buffer.length * info(buffer.dtype).bytes);
    delta_bytes_.push_back(boundary_.inputs[i].delta * info(buffer.dtype).bytes);
  }
  for (size_t slot = 0; slot < boundary_.version_moves.size(); ++slot)
    if (boundary_.version_moves[slot] > 0) version_moves_.emplace_back(slot, boundary_.version_moves[slot]);
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    if (auto* step = std::get_if<KernelStep>(&plan.steps[s])) {
      launches_[s] =
          prepare_launch(plan.kernels[step->kernel], compiled_.kernels[step->kernel].kernel->run, step_sizes_[s]);
    } else {
      sites_[s] =
          std::make_unique<ExternCallSite>(std::get<ExternStep>(plan.steps[s]), boundary_.generators, boundary_.packed);
      heavy_ = true;
    }
  }
  find_patches();
  find_value_checks(boundary_.value_guards);
  may_refuse_ = checks_indices(plan) || !value_checks_.empty() || runs_what_may_raise(plan);
  heavy_ |= bytes_of(plan, input_bytes_) > kHeavyBytes;
}

/// A pass may have made a result in axes of its own; memory is allocated as the tensor that the caller gets.
void CompiledCall::shape_outputs() {
  for (const TensorOutput& output : boundary_.outputs) {
    if (output.kind != TensorOutput::Kind::Buffer || output.detached != TensorOutput::Detached::View) continue;
    OutputBuffer& planned = compiled_.plan.outputs[output.index];
    if (planned.owned < 0 && output.dtype == planned.dtype && output.geometry.offset == 0 &&
        output.geometry.extent() == planned.length)
      planned.shape = output.geometry;
  }
}

void CompiledCall::find_patches() {
  const Plan& plan = compiled_.plan;
  auto add = [&](size_t step, size_t index, const BufferRef& ref, int64_t bytes) {
    if (ref.kind != BufferRef::Kind::Arena)
      patches_.push_back({static_cast<int>(step), static_cast<int>(index), ref.kind, ref.index, ref.offset + bytes});
  };
  auto add_tensor = [&](size_t step, size_t index, const ExternTensor& tensor) {
    add(step, index, tensor.buffer, tensor.geometry.offset * info(tensor.dtype).bytes);
  };
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    if (auto* kernel = std::get_if<KernelStep>(&plan.steps[s])) {
      for (size_t p = 0; p < kernel->params.size(); ++p) add(s, p, kernel->params[p], 0);
      continue;
    }
    const auto& step = std::get<ExternStep>(plan.steps[s]);
    for (size_t i = 0; i < step.operands.size(); ++i) add_tensor(s, i, step.operands[i]);
    if (step.into_results)
      for (size_t i = 0; i < step.results.size(); ++i) add_tensor(s, step.operands.size() + i, step.results[i]);
  }
}

/// A value is checked as soon as the step that makes it is done, so that a call which takes another path stops early.
void CompiledCall::find_value_checks(const std::vector<ValueGuard>& guards) {
  const Plan& plan = compiled_.plan;
  for (const auto& guard : guards) {
    int last = -1;
    auto makes = [&](const BufferRef& ref) {
      return (ref.kind == BufferRef::Kind::Output && ref.index == guard.output) ||
             (ref.kind == BufferRef::Kind::Owned && ref.index == plan.outputs[guard.output].owned);
    };
    for (size_t s = 0; s < plan.steps.size(); ++s) {
      bool made = false;
      if (auto* kernel = std::get_if<KernelStep>(&plan.steps[s])) {
        for (size_t p = 0; p < kernel->params.size(); ++p)
          made |= plan.kernels[kernel->kernel].params[p].written && makes(kernel->params[p]);
      } else {
        const auto& step = std::get<ExternStep>(plan.steps[s]);
        for (const auto& result : step.results) made |= makes(result.buffer);
        for (auto [operand, result] : step.call.mutates) made |= makes(step.operands[operand].buffer);
      }
      if (made) last = static_cast<int>(s);
    }
    value_checks_.push_back({last, guard});
  }
  std::stable_sort(value_checks_.begin(), value_checks_.end(), [](auto& a, auto& b) { return a.step < b.step; });
}

bool CompiledCall::values_hold(const Frame& frame, const Addresses& addresses, size_t step, size_t& next) const {
  for (; next < value_checks_.size() && value_checks_[next].step <= static_cast<int>(step); ++next) {
    const ValueGuard& guard = value_checks_[next].guard;
    int owned = compiled_.plan.outputs[guard.output].owned;
    const void* now = owned >= 0 ? frame.owned[owned].const_data_ptr() : addresses.outputs[guard.output];
    if (std::memcmp(now, guard.value.bytes.data(), info(guard.value.dtype).bytes) != 0) return false;
  }
  return true;
}

CompiledCall::Addresses CompiledCall::addresses_of(at::TensorImpl* const* inputs, size_t count) const {
  Addresses addresses;
  addresses.inputs.reserve(boundary_.inputs.size());
  for (size_t i = 0; i < boundary_.inputs.size(); ++i) {
    size_t slot = static_cast<size_t>(boundary_.inputs[i].slot);
    const at::TensorImpl* impl = slot < count ? inputs[slot] : boundary_.constants[slot - count].unsafeGetTensorImpl();
    addresses.inputs.push_back(static_cast<char*>(const_cast<void*>(impl->data())) + delta_bytes_[i]);
  }
  for (const auto& output : compiled_.plan.outputs) {
    if (output.owned >= 0) {
      addresses.buffers.emplace_back();
      addresses.outputs.push_back(nullptr);
      continue;
    }
    addresses.buffers.push_back(at::Tensor(at::detail::empty_strided_generic(
        output.shape.sizes, output.shape.strides, output_allocator(output.length * info(output.dtype).bytes),
        c10::DispatchKeySet(c10::DispatchKey::CPU), scalar_type_of(output.dtype))));
    addresses.outputs.push_back(static_cast<char*>(addresses.buffers.back().unsafeGetTensorImpl()->mutable_data()));
  }
  return addresses;
}

bool CompiledCall::written_inputs_overlap(const Addresses& addresses) const {
  for (int w : boundary_.written) {
    const char *begin = addresses.inputs[w], *end = begin + input_bytes_[w];
    for (size_t i = 0; i < boundary_.inputs.size(); ++i)
      if (static_cast<int>(i) != w && addresses.inputs[i] < end && begin < addresses.inputs[i] + input_bytes_[i])
        return true;
  }
  return false;
}

bool CompiledCall::run_steps(Frame& frame, const Addresses& addresses, std::vector<double>* microseconds) {
  at::AutoDispatchBelowADInplaceOrView below_autograd;
  c10::impl::ExcludeDispatchKeyGuard below_autocast(c10::autocast_dispatch_keyset);
  const Plan& plan = compiled_.plan;
  auto patch = patches_.begin();
  size_t next_check = 0;
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    ExternInvocation* invocation = frame.invocations[s].get();
    for (; patch != patches_.end() && patch->step == static_cast<int>(s); ++patch) {
      char* base = nullptr;
      switch (patch->kind) {
        case BufferRef::Kind::Input: base = addresses.inputs[patch->buffer]; break;
        case BufferRef::Kind::Output: base = addresses.outputs[patch->buffer]; break;
        case BufferRef::Kind::Owned: base = static_cast<char*>(frame.owned[patch->buffer].mutable_data_ptr()); break;
        case BufferRef::Kind::Arena: break;
      }
      void* address = base + patch->bytes;
      if (!invocation) {
        frame.params[s][patch->index] = address;
        continue;
      }
      int operands = static_cast<int>(std::get<ExternStep>(plan.steps[s]).operands.size());
      if (patch->index < operands)
        invocation->set_operand(patch->index, address);
      else
        invocation->set_result(patch->index - operands, address);
    }
    auto start = microseconds ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point();
    if (!invocation) {
      if (launch(launches_[s], frame.params[s].data(), torch_pool) != 0) return false;
    } else {
      if (!invocation->run(frame.owned)) return false;
      for (int slot : std::get<ExternStep>(plan.steps[s]).release) frame.owned[slot] = at::Tensor();
    }
    if (next_check < value_checks_.size() && !values_hold(frame, addresses, s, next_check)) return false;
    if (microseconds)
      (*microseconds)[s] = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
  }
  return true;
}

/// As run_steps, but a call that turns out to be eager's leaves the inputs as they were.
bool CompiledCall::run_safely(Frame& frame, const Addresses& addresses, std::vector<double>* microseconds) {
  std::vector<std::vector<char>> before;
  if (may_refuse_)
    for (int w : boundary_.written) before.emplace_back(addresses.inputs[w], addresses.inputs[w] + input_bytes_[w]);
  std::vector<at::Tensor> generators;
  for (const auto& generator : boundary_.drawn) generators.push_back(generator.get_state());
  bool done = false;
  try {
    done = run_steps(frame, addresses, microseconds);
  } catch (...) {
    // Eager raises this exception too, and with the user's own line in it; unless something was written, let it.
    if (!boundary_.written.empty() && !may_refuse_) throw;
  }
  if (done) return true;
  check_internal(boundary_.written.empty() || may_refuse_, "an operator changed the shape of its result");
  for (size_t k = 0; k < before.size(); ++k)
    std::memcpy(addresses.inputs[boundary_.written[k]], before[k].data(), before[k].size());
  for (size_t k = 0; k < generators.size(); ++k) boundary_.drawn[k].set_state(generators[k]);
  return false;
}

bool CompiledCall::run(at::TensorImpl* const* inputs, size_t count, std::vector<at::Tensor>& outputs) {
  for (size_t s = 0; s < boundary_.slot_offsets.size(); ++s)
    if (inputs[s]->storage_offset() != boundary_.slot_offsets[s]) return false;
  for (const auto& guard : boundary_.absences)
    if (!is_absent(inputs[guard.slot], guard.what)) return false;
  Addresses addresses = addresses_of(inputs, count);
  if (!boundary_.written.empty() && written_inputs_overlap(addresses)) return false;
  auto frame = frames_.take();
  std::vector<double> microseconds;
  if (runs_to_time_ > 0) microseconds.resize(compiled_.plan.steps.size());
  std::vector<double>* times = runs_to_time_ > 0 ? &microseconds : nullptr;
  bool done;
  if (heavy_) {
    pybind11::gil_scoped_release others;
    done = run_safely(*frame, addresses, times);
  } else {
    done = run_safely(*frame, addresses, times);
  }
  if (!done) return false;
  if (times != nullptr) keep_times(microseconds);
  make_outputs(inputs, addresses, *frame, outputs);
  move_versions(inputs);
  return true;
}

/// As eager's in-place operators do. Views of one tensor share its counter, which moves once for all of them.
void CompiledCall::move_versions(at::TensorImpl* const* inputs) const {
  c10::SmallVector<uint32_t, 4> goals;
  for (auto [slot, moves] : version_moves_)
    goals.push_back(inputs[slot]->is_inference() ? 0 : inputs[slot]->version_counter().current_version() + moves);
  for (size_t i = 0; i < goals.size(); ++i) {
    at::TensorImpl* impl = inputs[version_moves_[i].first];
    while (!impl->is_inference() && impl->version_counter().current_version() < goals[i]) impl->bump_version();
  }
}

void CompiledCall::make_outputs(at::TensorImpl* const* inputs, Addresses& addresses, Frame& frame,
                                std::vector<at::Tensor>& outputs) {
  const auto& planned = compiled_.plan.outputs;
  for (size_t i = 0; i < planned.size(); ++i)
    if (planned[i].owned >= 0) addresses.buffers[i] = frame.owned[planned[i].owned];
  outputs.assign(boundary_.outputs.size(), at::Tensor());
  std::vector<bool> taken(planned.size(), false);  // a second tensor over one buffer is another object
  bool has_views = false;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const TensorOutput& output = boundary_.outputs[i];
    if (output.kind == TensorOutput::Kind::Input) continue;
    if (output.base >= 0) {
      has_views = true;
      continue;
    }
    at::Tensor base =
        output.kind == TensorOutput::Kind::View ? borrow(inputs[output.index]) : addresses.buffers[output.index];
    if (output.kind == TensorOutput::Kind::Buffer && !taken[output.index] && covers(output, planned[output.index])) {
      taken[output.index] = true;
      outputs[i] = std::move(base);
      continue;
    }
    if (output.detached == TensorOutput::Detached::Base) base = base.detach();
    outputs[i] = view_of(base, output, base.storage_offset(), base.scalar_type());
    if (output.detached == TensorOutput::Detached::View) outputs[i] = outputs[i].detach();
  }
  for (size_t i = 0; has_views && i < outputs.size(); ++i) {
    const TensorOutput& output = boundary_.outputs[i];
    if (output.base < 0) continue;
    const at::Tensor& whole = addresses.buffers[output.index];
    outputs[i] = view_of(outputs[output.base], output, whole.storage_offset(), whole.scalar_type());
  }
}

void CompiledCall::keep_times(const std::vector<double>& microseconds) {
  --runs_to_time_;
  if (step_microseconds_.empty()) step_microseconds_ = microseconds;
  for (size_t s = 0; s < microseconds.size(); ++s)
    step_microseconds_[s] = std::min(step_microseconds_[s], microseconds[s]);
}

}  // namespace braze
