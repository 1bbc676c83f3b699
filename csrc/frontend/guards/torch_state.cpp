// Reading PyTorch's global and thread state into one packed struct.
#include "frontend/guards/torch_state.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/PythonTorchFunctionTLS.h>
#include <ATen/autocast_mode.h>
#include <c10/core/AutogradState.h>
#include <c10/core/DefaultDtype.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <c10/core/impl/TorchDispatchModeTLS.h>
#include <torch/csrc/jit/frontend/tracer.h>

#include <type_traits>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace braze {

static_assert(std::has_unique_object_representations_v<TorchState>, "padding would be compared");

namespace {

/// Denormals flushed, rounding mode: what decides the bits of float arithmetic on this thread, without the sticky
/// exception flags.
uint32_t float_control() {
#if defined(__x86_64__)
  return _mm_getcsr() & 0xE040;
#elif defined(__aarch64__)
  uint64_t fpcr;
  asm volatile("mrs %0, fpcr" : "=r"(fpcr));
  return static_cast<uint32_t>(fpcr);
#else
  return 0;
#endif
}

}  // namespace

TorchState TorchState::current() {
  TorchState state;
  c10::impl::LocalDispatchKeySet keys = c10::impl::tls_local_dispatch_key_set();
  state.included_keys_ = keys.included_.raw_repr();
  state.excluded_keys_ = keys.excluded_.raw_repr();
  const c10::AutogradState& autograd = c10::AutogradState::get_tls_state();
  state.grad_mode_ = autograd.get_grad_mode();
  state.inference_mode_ = autograd.get_inference_mode();
  state.forward_grad_mode_ = autograd.get_fw_grad_mode();
  state.view_replay_ = autograd.get_view_replay_enabled();
  state.autocast_cpu_ = at::autocast::is_autocast_enabled(at::kCPU);
  state.autocast_cuda_ = at::autocast::is_autocast_enabled(at::kCUDA);
  state.autocast_cpu_dtype_ = static_cast<uint8_t>(at::autocast::get_autocast_dtype(at::kCPU));
  state.autocast_cuda_dtype_ = static_cast<uint8_t>(at::autocast::get_autocast_dtype(at::kCUDA));
  state.autocast_cache_ = at::autocast::is_autocast_cache_enabled();
  state.default_dtype_ = static_cast<uint8_t>(c10::get_default_dtype_as_scalartype());
  state.function_disabled_ = static_cast<uint8_t>(at::impl::PythonTorchFunctionTLS::get_disabled_state());
  state.tracing_ = torch::jit::tracer::isTracing();
  state.function_modes_ = static_cast<uint16_t>(at::impl::PythonTorchFunctionTLS::stack_len());
  state.dispatch_modes_ = static_cast<uint16_t>(c10::impl::TorchDispatchModeTLS::stack_len());
  state.threads_ = static_cast<uint32_t>(at::get_num_threads());
  state.float_control_ = float_control();
  const at::Context& context = at::globalContext();
  static const compat::PrecisionSettings precisions(context);
  precisions.copy(state.float32_precision_);
  compat::copy_context_flags(context, state.context_);
  return state;
}

bool TorchState::is_intercepted() const {
  using Keys = c10::DispatchKeySet;
  constexpr Keys intercepting({c10::DispatchKey::FuncTorchDynamicLayerFrontMode,
                               c10::DispatchKey::FuncTorchDynamicLayerBackMode, c10::DispatchKey::FuncTorchVmapMode,
                               c10::DispatchKey::VmapMode, c10::DispatchKey::Python, c10::DispatchKey::PythonDispatcher,
                               c10::DispatchKey::Functionalize, c10::DispatchKey::Tracer,
                               c10::DispatchKey::DeferredInit});
  return function_modes_ != 0 || dispatch_modes_ != 0 || function_disabled_ != 0 || tracing_ != 0 ||
         Keys(Keys::RAW, included_keys_).has_any(intercepting);
}

std::vector<std::string> TorchState::difference(const TorchState& other) const {
  std::vector<std::string> names;
  auto compare = [&](bool same, const char* name) {
    if (!same) names.emplace_back(name);
  };
  compare(grad_mode_ == other.grad_mode_, "grad mode");
  compare(inference_mode_ == other.inference_mode_, "inference mode");
  compare(forward_grad_mode_ == other.forward_grad_mode_, "forward-mode AD");
  compare(autocast_cpu_ == other.autocast_cpu_ && autocast_cuda_ == other.autocast_cuda_, "autocast");
  compare(autocast_cpu_dtype_ == other.autocast_cpu_dtype_ && autocast_cuda_dtype_ == other.autocast_cuda_dtype_,
          "autocast dtype");
  compare(autocast_cache_ == other.autocast_cache_, "autocast cache");
  compare(default_dtype_ == other.default_dtype_, "default dtype");
  compare(function_modes_ == other.function_modes_ && function_disabled_ == other.function_disabled_,
          "torch function modes or default device");
  compare(dispatch_modes_ == other.dispatch_modes_, "torch dispatch modes");
  compare(tracing_ == other.tracing_, "torch.jit.trace");
  compare(threads_ == other.threads_, "number of threads");
  compare(float_control_ == other.float_control_, "denormal or rounding mode");
  compare(std::memcmp(float32_precision_, other.float32_precision_, sizeof float32_precision_) == 0,
          "float32 precision");
  compare(std::memcmp(context_, other.context_, sizeof context_) == 0, "determinism or backend flags");
  if (names.empty() && !(*this == other)) names.emplace_back("dispatcher state of the thread");
  return names;
}

}  // namespace braze
