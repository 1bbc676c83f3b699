#include "frontend/capture/recorder.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/scalar_tensor.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/library.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include "frontend/call/passthrough.h"
#include "frontend/capture/convert.h"
#include "passes/effects.h"

namespace braze {
namespace {

using c10::DispatchKey;
using c10::DispatchKeySet;

/// One recording at a time for the process: backward may run on the engine's threads, so the state is shared, not
/// thread-local.
class Session {
 public:
  Session() { generator_index(at::detail::getDefaultCPUGenerator()); }

  Recording& recording() { return *recording_; }
  std::unique_ptr<Recording> take() { return std::move(recording_); }

  void refuse(Fallback reason, std::string detail) {
    if (!recording_->refusal) recording_->refusal = refusal_of(reason, std::move(detail));
  }
  bool refused() const { return static_cast<bool>(recording_->refusal); }

  /// Notes `tensor`; sets `snapshot`. False (after a refusal) when the tensor is of a kind that cannot be recorded.
  bool see(const at::Tensor& tensor, TensorSnapshot& snapshot, bool made) {
    if (!tensor.defined()) {
      snapshot = {};
      return true;
    }
    auto* impl = tensor.unsafeGetTensorImpl();
    auto dtype = dtype_of(tensor.scalar_type());
    if (!tensor.device().is_cpu() || tensor.layout() != c10::kStrided || !tensor.has_storage() || !dtype ||
        tensor.is_conj() || tensor.is_neg() || tensor.is_quantized() || tensor._is_zerotensor()) {
      refuse(Fallback::tensor_kind, describe_tensor(tensor));
      return false;
    }
    if (impl->has_symbolic_sizes_strides()) {
      refuse(Fallback::tensor_kind, "symbolic sizes");
      return false;
    }
    snapshot.storage = storage_index(tensor, made);
    snapshot.tensor = tensor_index(impl, snapshot.storage);
    snapshot.dtype = *dtype;
    snapshot.geometry.offset = tensor.storage_offset();
    snapshot.geometry.sizes = tensor.sizes().vec();
    snapshot.geometry.strides = tensor.strides().vec();
    snapshot.requires_grad = tensor.requires_grad();
    return true;
  }

  /// The position of a generator in Recording::generators.
  int generator_index(const at::Generator& generator) {
    auto& generators = recording_->generators;
    for (size_t i = 0; i < generators.size(); ++i)
      if (generators[i].generator == generator) return static_cast<int>(i);
    generators.push_back({generator, generator.get_state()});
    return static_cast<int>(generators.size()) - 1;
  }

  std::mutex mutex;

 private:
  int storage_index(const at::Tensor& tensor, bool made) {
    auto* storage = tensor.storage().unsafeGetStorageImpl();
    auto [it, fresh] = storages_.try_emplace(storage, static_cast<int>(recording_->storages.size()));
    if (fresh) {
      auto owned = c10::intrusive_ptr<c10::StorageImpl>::unsafe_reclaim_from_nonowning(storage);
      recording_->storages.push_back(
          {c10::weak_intrusive_ptr<c10::StorageImpl>(owned), static_cast<int64_t>(storage->nbytes()), made, false});
    }
    return it->second;
  }

  int tensor_index(c10::TensorImpl* impl, int storage) {
    auto [it, fresh] = tensors_.try_emplace(impl, static_cast<int>(recording_->tensors.size()));
    if (fresh) {
      auto owned = c10::intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>::unsafe_reclaim_from_nonowning(impl);
      recording_->tensors.push_back(
          {c10::weak_intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl>(owned), storage, {}, {}});
    } else {
      recording_->tensors[it->second].storage = storage;
    }
    return it->second;
  }

  std::unique_ptr<Recording> recording_ = std::make_unique<Recording>();
  std::unordered_map<c10::StorageImpl*, int> storages_;
  std::unordered_map<c10::TensorImpl*, int> tensors_;
};

DispatchKey g_key = DispatchKey::Undefined;
std::mutex g_session_mutex;
std::unique_ptr<Session> g_session;

/// Operators that return numbers about a tensor's metadata, not its contents.
bool reads_metadata_only(const std::string& op) {
  static const std::unordered_set<std::string> names = {"aten::size",
                                                        "aten::stride",
                                                        "aten::dim",
                                                        "aten::numel",
                                                        "aten::sym_size",
                                                        "aten::sym_stride",
                                                        "aten::sym_numel",
                                                        "aten::sym_storage_offset",
                                                        "aten::storage_offset",
                                                        "aten::is_same_size",
                                                        "aten::is_contiguous",
                                                        "aten::sym_is_contiguous",
                                                        "aten::is_complex",
                                                        "aten::is_floating_point",
                                                        "aten::is_signed",
                                                        "aten::result_type",
                                                        "aten::can_cast",
                                                        "aten::promote_types",
                                                        "aten::_has_compatible_shallow_copy_type",
                                                        "aten::_version",
                                                        "aten::is_leaf",
                                                        "aten::output_nr",
                                                        "aten::is_inference",
                                                        "aten::is_conj",
                                                        "aten::is_neg",
                                                        "aten::is_set_to",
                                                        "aten::is_pinned",
                                                        "aten::_is_zerotensor",
                                                        "aten::_cudnn_rnn_flatten_weight",
                                                        "aten::_use_cudnn_ctc_loss",
                                                        "aten::_nested_tensor_size",
                                                        "aten::retains_grad",
                                                        "aten::_fused_sdp_choice",
                                                        "aten::is_nested",
                                                        "aten::__is_set_to",
                                                        "aten::use_mkldnn_rnn_layer"};
  return names.count(op) > 0;
}

/// Composites that are recorded whole: bool(x), which asks whether x is zero and not what it is, and those that were
/// found to write memory behind the dispatcher.
std::unordered_set<std::string> g_whole = {"aten::is_nonzero"};
std::mutex g_whole_mutex;

bool is_recorded_whole(const std::string& op) {
  std::lock_guard<std::mutex> lock(g_whole_mutex);
  return g_whole.count(op) > 0;
}

/// The composite operators this thread is in, whose parts are being recorded.
thread_local std::vector<const std::string*> composites;

bool has_kernel_below_composite(const c10::OperatorHandle& op, DispatchKeySet rest) {
  return op.hasKernelForDispatchKey(DispatchKey::CPU) || op.hasKernelForDispatchKey(DispatchKey::AutogradCPU);
}

/// A layer that may become one kernel (passes/own_recurrence.h): a GRU in inference, of f32. Its parts, an operator
/// each for every gate of every step, would be found again by nobody.
bool is_recurrent_layer(const c10::OperatorHandle& op, const torch::jit::Stack& stack) {
  if (op.schema().name() != "aten::gru" || op.schema().overload_name() != "input") return false;
  const auto args = torch::jit::last(stack, op.schema().arguments().size());
  if (args[5].toDouble() != 0 && args[6].toBool()) return false;
  auto fits = [](const at::Tensor& tensor) {
    return tensor.defined() && tensor.is_cpu() && tensor.layout() == at::kStrided &&
           tensor.scalar_type() == at::kFloat && !(at::GradMode::is_enabled() && tensor.requires_grad());
  };
  const std::vector<at::Tensor> params = args[2].toTensorVector();
  return fits(args[0].toTensor()) && fits(args[1].toTensor()) && std::all_of(params.begin(), params.end(), fits);
}

/// A transparent call is run with our key still on, so that the operators it is made of are seen instead of it.
bool is_transparent(const c10::OperatorHandle& op, DispatchKeySet rest, const torch::jit::Stack& stack) {
  switch (rest.highestPriorityTypeId()) {
    case DispatchKey::AutocastCPU:
    case DispatchKey::AutocastCUDA:
    case DispatchKey::FuncTorchDynamicLayerFrontMode:
    case DispatchKey::FuncTorchDynamicLayerBackMode:
    case DispatchKey::FuncTorchBatched:
    case DispatchKey::FuncTorchGradWrapper:
    case DispatchKey::FuncTorchVmapMode:
    case DispatchKey::PythonTLSSnapshot:
    case DispatchKey::Python:
    case DispatchKey::PreDispatch:
    case DispatchKey::PythonDispatcher: return true;
    default: break;
  }
  if (op.schema().name() == "aten::allclose") return true;  // its parts end with the number that Python is given
  return op.hasKernelForDispatchKey(DispatchKey::CompositeImplicitAutograd) && !has_kernel_below_composite(op, rest) &&
         !is_recorded_whole(op.schema().name()) && !is_recurrent_layer(op, stack);
}

bool is_empty_factory(const std::string& name) {
  return name == "aten::empty" || name == "aten::empty_strided" || name == "aten::empty_like" ||
         name == "aten::new_empty" || name == "aten::new_empty_strided" || name == "aten::empty_permuted";
}

/// Writes that a schema does not tell of: native_batch_norm moves its running statistics when it trains.
bool writes_silently(const c10::FunctionSchema& schema, size_t argument, at::ArrayRef<c10::IValue> args) {
  return schema.name() == "aten::native_batch_norm" && (argument == 3 || argument == 4) && args[5].isBool() &&
         args[5].toBool();
}

/// Records one leaf call: `before` the operator ran its arguments are noted, `after` it its results.
class LeafCall {
 public:
  LeafCall(Session& session, const c10::OperatorHandle& op) : session_(session), op_(op), schema_(op.schema()) {
    recorded_.call.op = schema_.name();
    recorded_.call.overload = schema_.overload_name();
  }

  bool before(const torch::jit::Stack& stack) {
    if (op_.hasTag(at::Tag::nondeterministic_seeded) && !watch_generator(stack)) return false;
    if (op_.hasTag(at::Tag::dynamic_output_shape) && !indexes_by_position(stack)) {
      if (!is_sized_by_values(schema_.name()) || writes_an_argument()) return refuse(Fallback::data_dependent);
      recorded_.sized_by_values = true;
    }
    if (schema_.name() == "aten::as_strided_copy" || schema_.name() == "aten::as_strided_scatter")
      return refuse(Fallback::tensor_layout);  // they reach beyond the window they are given
    size_t count = schema_.arguments().size();
    auto args = torch::jit::last(stack, count);
    for (size_t i = 0; i < count; ++i) {
      const auto& formal = schema_.arguments()[i];
      ExternArg converted;
      auto tensors = tensors_of(args[i]);
      std::vector<int> operands;
      if (args[i].isTensor() && tensors[0].defined() && tensors[0].unsafeGetTensorImpl()->is_wrapped_number()) {
        // A Python number where the schema has a tensor: x + 1 is add.Tensor.
        if (!convert_argument(tensors[0].item(), *c10::NumberType::get(), {}, converted))
          return refuse(Fallback::argument_kind);
        recorded_.call.args.push_back(std::move(converted));
        continue;
      }
      for (const auto& tensor : tensors) {
        if (!tensor.defined()) {
          operands.push_back(-1);
          continue;
        }
        TensorSnapshot snapshot;
        if (!session_.see(tensor, snapshot, false)) return false;
        if ((formal.alias_info() && formal.alias_info()->isWrite()) || writes_silently(schema_, i, args)) {
          recorded_.written.push_back(static_cast<int>(recorded_.operands.size()));
          written_.push_back(tensor);
        } else if (session_.recording().storages[snapshot.storage].unwritten && snapshot.geometry.numel() > 0 &&
                   reads_contents() && !lifts()) {
          record_whole(session_.recording().storages[snapshot.storage].composite);
          session_.refuse(Fallback::unseen_writer, "argument '" + formal.name() + "' of " + schema_.name());
          return false;
        }
        operands.push_back(static_cast<int>(recorded_.operands.size()));
        recorded_.operands.push_back(std::move(snapshot));
      }
      if (args[i].isGenerator()) {
        recorded_.call.args.push_back(NamedArg{"generator", std::to_string(generator_)});
        if (generator_ < 0) return refuse(Fallback::argument_kind);
        continue;
      }
      if (!convert_argument(args[i], *formal.real_type(), operands, converted)) {
        session_.refuse(Fallback::argument_kind, "argument '" + formal.name() + "' of " + schema_.name());
        return false;
      }
      recorded_.call.args.push_back(std::move(converted));
    }
    return true;
  }

  void after(const torch::jit::Stack& stack) {
    if (generator_ >= 0) {
      auto& drawn_from = session_.recording().generators[generator_];
      at::Tensor state = drawn_from.generator.get_state();
      if (!drawn_from.state.equal(state)) drawn_from.moved = true;
      drawn_from.state = std::move(state);
    }
    size_t count = schema_.returns().size();
    auto results = torch::jit::last(stack, count);
    bool returns_tensors = count == 0;
    for (size_t i = 0; i < count; ++i) {
      const auto& result = results[i];
      bool is_tensor = result.isTensor() || result.isTensorList() || result.isNone();
      returns_tensors |= is_tensor;
      for (const auto& tensor : tensors_of(result)) {
        TensorSnapshot snapshot;
        if (!session_.see(tensor, snapshot, true)) return;
        recorded_.outputs.push_back(std::move(snapshot));
      }
    }
    if (!returns_tensors) {
      if (reads_metadata_only(schema_.name())) return;
      if (!note_value(results[0])) {
        refuse(Fallback::value_read);
        return;
      }
    }
    for (const auto& tensor : written_) {
      TensorSnapshot snapshot;
      if (!session_.see(tensor, snapshot, true)) return;
      auto& storage = session_.recording().storages[snapshot.storage];
      if (!op_.hasTag(at::Tag::inplace_view)) storage.unwritten = false;
      recorded_.rewritten.push_back(std::move(snapshot));
    }
    auto& recording = session_.recording();
    if (schema_.name().rfind("aten::as_strided", 0) == 0) recording.reads_offsets = true;
    if (is_empty_factory(schema_.name()))
      for (const auto& output : recorded_.outputs) {
        recording.storages[output.storage].unwritten = true;
        if (!composites.empty()) recording.storages[output.storage].composite = *composites.back();
      }
    if (lifts()) {
      // What torch.tensor([...]) has filled in without the dispatcher.
      const auto& source = recorded_.operands.at(0);
      auto& seen = recording.tensors[source.tensor];
      auto& storage = recording.storages[source.storage];
      if ((!storage.made || storage.unwritten) && !seen.literal.defined()) {
        seen.literal = tensors_of(results[0]).at(0);
        seen.literal_value = seen.literal.detach().clone();
        storage.unwritten = false;
      }
    }
    if (schema_.name() == "aten::detach_") recording.meets_autograd = true;
    if (at::GradMode::is_enabled()) {
      recording.meets_autograd = true;
      for (const auto& output : recorded_.outputs) recorded_.differentiated |= output.requires_grad;
      for (const auto& tensor : recorded_.rewritten) recorded_.differentiated |= tensor.requires_grad;
    }
    recording.value_dependent +=
        recorded_.sized_by_values || recorded_.read || !recorded_.call.op.starts_with("aten::") ? 1 : 0;
    recording.ops.push_back(std::move(recorded_));
  }

 private:
  bool refuse(Fallback reason) {
    session_.refuse(reason, schema_.name());
    return false;
  }

  bool writes_an_argument() const {
    return std::any_of(schema_.arguments().begin(), schema_.arguments().end(),
                       [](const auto& argument) { return argument.alias_info() && argument.alias_info()->isWrite(); });
  }

  /// x[positions] is tagged for the sake of x[mask], whose size depends on the mask's contents.
  bool indexes_by_position(const torch::jit::Stack& stack) const {
    if (schema_.name() != "aten::index") return false;
    for (const auto& index : tensors_of(torch::jit::last(stack, 2)[1]))
      if (index.defined() && (index.scalar_type() == at::kBool || index.scalar_type() == at::kByte)) return false;
    return true;
  }

  /// Finds what an operator tagged as random draws from. A replay draws the same numbers if all that moves the
  /// generator between the first draw and the last is recorded.
  bool watch_generator(const torch::jit::Stack& stack) {
    generator_ = 0;
    for (const auto& argument : torch::jit::last(stack, schema_.arguments().size()))
      if (argument.isGenerator()) generator_ = session_.generator_index(argument.toGenerator());
    const auto& drawn_from = session_.recording().generators[generator_];
    if (drawn_from.state.equal(drawn_from.generator.get_state())) return true;
    session_.refuse(Fallback::random, "the generator was seeded before " + schema_.name());
    return false;
  }

  /// x.item(), bool(x), int(x), ...: the number becomes part of what a replay checks. False when it cannot.
  bool note_value(const c10::IValue& value) {
    ReadValue read;
    if (schema_.name() == "aten::equal" || schema_.name() == "aten::is_nonzero") {
      for (const auto& operand : recorded_.operands)
        if (info(operand.dtype).kind == DTypeKind::Stored || operand.dtype != recorded_.operands[0].dtype) return false;
      read.dtype = DType::b1;
      read.bytes[0] = value.toBool() ? 1 : 0;
      recorded_.read = read;
      return true;
    }
    if (schema_.name() != "aten::_local_scalar_dense" || !value.isScalar() || recorded_.operands.size() != 1)
      return false;
    read.dtype = recorded_.operands[0].dtype;
    if (info(read.dtype).kind == DTypeKind::Stored) return false;
    at::Tensor number = at::scalar_tensor(value.toScalar(), at::TensorOptions().dtype(scalar_type_of(read.dtype)));
    std::memcpy(read.bytes.data(), number.data_ptr(), info(read.dtype).bytes);
    recorded_.read = read;
    return true;
  }

  bool lifts() const { return schema_.name() == "aten::lift_fresh" || schema_.name() == "aten::lift"; }

  /// View operators move no data, so that a view of unwritten memory is fine.
  bool reads_contents() const {
    for (const auto& argument : schema_.arguments())
      if (argument.alias_info() && !argument.alias_info()->isWrite()) return false;
    return !is_empty_factory(schema_.name()) && schema_.name().find("_like") == std::string::npos &&
           schema_.name().find("aten::new_") != 0;
  }

  Session& session_;
  const c10::OperatorHandle& op_;
  const c10::FunctionSchema& schema_;
  RecordedOp recorded_;
  std::vector<at::Tensor> written_;
  int generator_ = -1;  // position in Recording::generators of what the operator draws from
};

thread_local int operator_depth = 0;

/// While it lives, a warning that PyTorch's own code gives refuses the recording: a replay would give none.
class NotedWarnings : public c10::WarningHandler {
 public:
  explicit NotedWarnings(Session& session) : session_(session), guard_(this) {}

  void process(const c10::Warning& warning) override {
    {
      std::lock_guard<std::mutex> lock(session_.mutex);
      session_.refuse(Fallback::impure_call, "PyTorch warns: " + warning.msg());
    }
    previous_->process(warning);
  }

 private:
  Session& session_;
  c10::WarningHandler* previous_ = c10::WarningUtils::get_warning_handler();
  c10::WarningUtils::WarningHandlerGuard guard_;
};

void hook(const c10::OperatorHandle& op, DispatchKeySet keys, torch::jit::Stack* stack) {
  DispatchKeySet rest = keys & DispatchKeySet(DispatchKeySet::FULL_AFTER, g_key);
  Session* session = g_session.get();
  std::optional<NotedWarnings> noted;
  if (session && !session->refused()) noted.emplace(*session);
  if (session && !session->refused() && is_transparent(op, rest, *stack)) {
    struct Inside {
      explicit Inside(const std::string& name) { composites.push_back(&name); }
      ~Inside() { composites.pop_back(); }
    } inside(op.schema().name());
    op.redispatchBoxed(rest, stack);
    return;
  }
  c10::impl::ExcludeDispatchKeyGuard below(g_key);
  if (!session || session->refused() || op.schema().name().rfind("profiler::", 0) == 0) {
    op.redispatchBoxed(rest, stack);
    return;
  }
  LeafCall leaf(*session, op);
  bool recorded;
  {
    std::lock_guard<std::mutex> lock(session->mutex);
    recorded = leaf.before(*stack);
  }
  {
    struct Inside {
      Inside() { ++operator_depth; }
      ~Inside() { --operator_depth; }
    } inside;
    try {
      op.redispatchBoxed(rest, stack);
    } catch (...) {  // code that catches it has read what made it
      std::lock_guard<std::mutex> lock(session->mutex);
      session->refuse(Fallback::exception, op.schema().name() + " raised");
      throw;
    }
  }
  if (recorded) {
    std::lock_guard<std::mutex> lock(session->mutex);
    leaf.after(*stack);
  }
}

}  // namespace

void register_hook() {
  for (auto key : {DispatchKey::TESTING_ONLY_GenericMode, DispatchKey::TESTING_ONLY_GenericWrapper}) {
    try {
      static std::unique_ptr<torch::Library> library;
      library = std::make_unique<torch::Library>(torch::Library::IMPL, "_", key, __FILE__, __LINE__);
      library->fallback(torch::CppFunction::makeFromBoxedFunction<&hook>());
      g_key = key;
      return;
    } catch (const c10::Error&) {
      // Another library holds this key: try the next.
    }
  }
}

bool recorder_available() { return g_key != DispatchKey::Undefined; }

bool start_recording() {
  std::lock_guard<std::mutex> lock(g_session_mutex);
  if (g_session || !recorder_available()) return false;
  g_session = std::make_unique<Session>();
  c10::impl::tls_set_dispatch_key_included(g_key, true);
  ++passthrough_depth;
  return true;
}

std::unique_ptr<Recording> stop_recording() {
  std::lock_guard<std::mutex> lock(g_session_mutex);
  if (!is_recording()) return nullptr;
  c10::impl::tls_set_dispatch_key_included(g_key, false);
  --passthrough_depth;
  auto recording = g_session->take();
  g_session.reset();
  return recording;
}

bool is_recording() { return g_session && c10::impl::tls_is_dispatch_key_included(g_key); }

void record_whole(const std::string& composite) {
  std::lock_guard<std::mutex> lock(g_whole_mutex);
  if (!composite.empty()) g_whole.insert(composite);
}

bool inside_operator() { return operator_depth > 0; }

RecordedSoFar recorded_so_far() {
  if (!g_session) return {};
  std::lock_guard<std::mutex> lock(g_session->mutex);
  const Recording& recording = g_session->recording();
  return {recording.ops.size(), recording.value_dependent};
}

bool recording_refused() { return g_session && g_session->refused(); }

void note_offsets_read() {
  if (g_session) g_session->recording().reads_offsets = true;
}

void note_autograd_asked() {
  if (g_session) g_session->recording().meets_autograd = true;
}

void note_absence(const at::Tensor& tensor, Absence what) {
  if (!g_session) return;
  std::lock_guard<std::mutex> lock(g_session->mutex);
  g_session->recording().absences.push_back({tensor, what});
}

void refuse_recording(const std::string& reason, const std::string& detail) {
  if (!g_session) return;
  std::lock_guard<std::mutex> lock(g_session->mutex);
  for (int i = 0;; ++i) {
    auto row = static_cast<Fallback>(i);
    if (info(row).name == reason || row == Fallback::internal) {
      g_session->refuse(row, detail);
      return;
    }
  }
}

}  // namespace braze
