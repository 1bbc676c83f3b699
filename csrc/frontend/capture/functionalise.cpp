#include "frontend/capture/functionalise.h"

#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "frontend/capture/convert.h"
#include "frontend/capture/recorder.h"

namespace braze {
namespace {

struct Refused {
  Refusal refusal;
};

[[noreturn]] void refuse(Fallback reason, std::string detail) { throw Refused{refusal_of(reason, std::move(detail))}; }

/// A storage while the operators are walked.
struct Buffer {
  bool known = false;  // an input's, or made by now
  ValueId value = -1;  // the current version
  int64_t base = 0;    // the storage offset of the value's element 0
  int input = -1;      // graph input, when it is one
  int slot = -1;       // a slot on this storage
  int writes = 0;
};

/// What the call draws from; a generator that it made itself would be another one at the next call.
std::vector<at::Generator> generators_of(const Recording& recording, const std::vector<at::Generator>& reachable) {
  std::vector<at::Generator> generators;
  for (const auto& seen : recording.generators) {
    if (!generators.empty() && std::find(reachable.begin(), reachable.end(), seen.generator) == reachable.end())
      refuse(Fallback::random, "a generator comes from a place that guards cannot reach");
    generators.push_back(seen.generator);
  }
  return generators;
}

class Functionaliser {
 public:
  Functionaliser(const Recording& recording, const std::vector<at::Tensor>& arguments,
                 const std::vector<at::Tensor>& candidates)
      : recording_(recording), arguments_(arguments), candidates_(candidates), buffers_(recording.storages.size()) {
    for (size_t i = 0; i < recording.tensors.size(); ++i)
      seen_tensors_[recording.tensors[i].impl._unsafe_get_target()] = static_cast<int>(i);
    for (size_t i = 0; i < recording.storages.size(); ++i)
      seen_storages_[recording.storages[i].impl._unsafe_get_target()] = static_cast<int>(i);
  }

  CapturedProgram run(const std::vector<at::Tensor>& results) {
    find_slots(results);
    make_inputs();
    for (const auto& op : recording_.ops) lower(op);
    finish(results);
    return std::move(program_);
  }

 private:
  Graph& graph() { return program_.graph; }

  /// Which storages come from outside, and which of the caller's tensors stand for them.
  void find_slots(const std::vector<at::Tensor>& results) {
    std::vector<bool> needed(recording_.tensors.size(), false);
    std::vector<bool> made(recording_.tensors.size(), false);
    for (const auto& op : recording_.ops) {
      for (const auto& operand : op.operands)
        if (operand.tensor >= 0 && !made[operand.tensor]) needed[operand.tensor] = true;
      for (const auto& output : op.outputs)
        if (output.tensor >= 0) made[output.tensor] = true;
    }
    for (const auto& argument : arguments_) add_slot(argument);
    std::unordered_map<c10::TensorImpl*, int> candidate_of;
    for (size_t i = 0; i < candidates_.size(); ++i)
      candidate_of.try_emplace(candidates_[i].unsafeGetTensorImpl(), static_cast<int>(i));
    auto take_candidate = [&](c10::TensorImpl* impl) {
      auto found = candidate_of.find(impl);
      if (found == candidate_of.end() || slot_of_.count(impl)) return slot_of_.count(impl) > 0;
      program_.captured.push_back(found->second);
      add_slot(candidates_[found->second]);
      return true;
    };
    for (const auto& [tensor, what] : recording_.absences) {
      c10::TensorImpl* impl = tensor.unsafeGetTensorImpl();
      auto seen = seen_tensors_.find(impl);
      if (!slot_of_.count(impl) && seen != seen_tensors_.end() && made[seen->second]) continue;
      if (!take_candidate(impl)) refuse(Fallback::unknown_tensor, "one that is asked for its gradient or base");
      AbsenceGuard guard{slot_of_.at(impl), what};
      auto& all = program_.absences;
      if (std::find(all.begin(), all.end(), guard) == all.end()) all.push_back(guard);
    }
    std::vector<int> literals, unknown;
    for (size_t i = 0; i < recording_.tensors.size(); ++i) {
      const auto& tensor = recording_.tensors[i];
      if (tensor.literal.defined())
        literals.push_back(static_cast<int>(i));
      else if (needed[i] && !take_candidate(tensor.impl._unsafe_get_target()) &&
               !recording_.storages[tensor.storage].made)
        unknown.push_back(static_cast<int>(i));
    }
    for (const auto& result : results) take_candidate(result.unsafeGetTensorImpl());
    for (int i : literals) {
      program_.constants.push_back(recording_.tensors[i].literal_value);
      add_slot(recording_.tensors[i].literal);
    }
    for (int i : unknown) {
      // A tensor made behind the dispatcher (x.data, say) is fine when the memory under it is some slot's.
      auto* storage = recording_.storages[recording_.tensors[i].storage].impl._unsafe_get_target();
      bool known = std::any_of(slots_.begin(), slots_.end(), [&](const at::Tensor& t) {
        return t.has_storage() && t.storage().unsafeGetStorageImpl() == storage;
      });
      if (!known) refuse(Fallback::unknown_tensor, first_reader(i));
    }
  }

  void add_slot(const at::Tensor& tensor) {
    slot_of_.try_emplace(tensor.unsafeGetTensorImpl(), static_cast<int>(slots_.size()));
    slots_.push_back(tensor);
  }

  std::string first_reader(int tensor) const {
    for (const auto& op : recording_.ops)
      for (const auto& operand : op.operands)
        if (operand.tensor == tensor) return "an operand of " + op.call.op;
    return {};
  }

  /// One graph input for each storage of a slot that the operators use: it spans all slots on that storage.
  void make_inputs() {
    std::map<int, std::vector<int>> slots_by_storage;
    for (size_t s = 0; s < slots_.size(); ++s) {
      if (!slots_[s].has_storage()) continue;
      auto seen = seen_storages_.find(slots_[s].storage().unsafeGetStorageImpl());
      if (seen != seen_storages_.end()) slots_by_storage[seen->second].push_back(static_cast<int>(s));
    }
    for (auto& [storage, slots] : slots_by_storage) {
      program_.shares_memory |= slots.size() > 1;
      int64_t low = INT64_MAX, high = 0;
      auto dtype = dtype_of(slots_[slots[0]].scalar_type());
      for (int s : slots) {
        Geometry g = geometry_of(slots_[s]);
        if (dtype_of(slots_[s].scalar_type()) != dtype || !dtype)
          refuse(Fallback::dtype_view, "arguments share memory at different dtypes");
        if (g.numel() == 0) continue;
        low = std::min(low, g.offset);
        high = std::max(high, g.extent());
      }
      if (low == INT64_MAX) low = high = slots_[slots[0]].storage_offset();
      Buffer& buffer = buffers_[storage];
      buffer.known = true;
      buffer.base = low;
      buffer.slot = slots[0];
      buffer.input = static_cast<int>(program_.inputs.size());
      buffer.value = graph().add_input(*dtype, high - low);
      program_.inputs.push_back({slots[0], low - slots_[slots[0]].storage_offset()});
    }
  }

  static Geometry geometry_of(const at::Tensor& tensor) {
    return {tensor.storage_offset(), tensor.sizes().vec(), tensor.strides().vec()};
  }

  /// The current version of what `tensor` shows, as an operand.
  Access read(const TensorSnapshot& tensor, const std::string& op) {
    Buffer& buffer = buffers_[tensor.storage];
    if (!buffer.known) refuse(Fallback::unknown_tensor, "an operand of " + op);
    const int64_t begin = buffer.base * info(graph().value(buffer.value).dtype).bytes, bytes = info(tensor.dtype).bytes;
    const ValueId seen = reinterpreted(buffer.value, tensor.dtype, op);
    if (begin % bytes != 0) refuse(Fallback::dtype_view, op);
    Geometry geometry = tensor.geometry;
    geometry.offset = geometry.numel() == 0 ? 0 : geometry.offset - begin / bytes;
    if (geometry.offset < 0 || geometry.extent() > graph().value(seen).length)
      refuse(Fallback::unseen_writer, "a view beyond the memory seen by " + op);
    return {seen, std::move(geometry)};
  }

  /// The bytes of a value as elements of another dtype: a copy, for an access reads at its value's dtype.
  ValueId reinterpreted(ValueId id, DType dtype, const std::string& op) {
    const Value value = graph().value(id);
    if (value.dtype == dtype) return id;
    const int64_t bytes = value.length * info(value.dtype).bytes, length = bytes / info(dtype).bytes;
    if (length * info(dtype).bytes != bytes || length == 0) refuse(Fallback::dtype_view, op);
    auto [known, fresh] = reinterpreted_.try_emplace({id, dtype}, -1);
    if (!fresh) return known->second;
    Node copy;
    copy.op = Op::extern_;
    copy.operands.emplace_back(Access{id, Geometry::contiguous({value.length})});
    copy.call.op = "aten::view_copy";
    copy.call.overload = "dtype";
    copy.call.args = {TensorArg{0}, NamedArg{"dtype", std::string(info(dtype).torch_name)}};
    copy.call.returns = {0};
    copy.origin = op;
    return known->second = graph().append(std::move(copy), dtype, Geometry::contiguous({length}));
  }

  void lower(const RecordedOp& op) {
    if (op.differentiated) refuse(Fallback::needs_grad, op.call.op);
    if (op.read) return guard_value(op);
    program_.sized_by_values |= op.sized_by_values;
    if (changes_metadata(op)) return;
    Node node;
    node.op = Op::extern_;
    node.call = op.call;
    node.origin = op.call.op;
    std::vector<std::pair<int, int>> fresh;  // (position in outputs, storage)
    for (size_t i = 0; i < op.outputs.size(); ++i) {
      const auto& output = op.outputs[i];
      if (output.tensor < 0) continue;
      if (!buffers_[output.storage].known) fresh.emplace_back(static_cast<int>(i), output.storage);
    }
    auto writes_nothing = [&](int position) { return op.operands[position].geometry.numel() == 0; };
    const bool idle = std::all_of(op.written.begin(), op.written.end(), writes_nothing);
    if (fresh.empty() && idle && !op.outputs.empty()) return;  // a view, or a write of no element
    if (std::any_of(op.written.begin(), op.written.end(), writes_nothing))
      refuse(Fallback::tensor_layout, op.call.op + " writes a tensor without elements");

    for (const auto& operand : op.operands) node.operands.emplace_back(read(operand, op.call.op));
    node.call.returns.assign(op.outputs.size(), -1);
    std::vector<std::pair<int, ValueId>> made;  // storage -> value
    for (auto [position, storage] : fresh) {
      const auto& output = op.outputs[position];
      if (std::any_of(made.begin(), made.end(), [&](auto& m) { return m.first == storage; })) continue;
      Geometry shape = output.geometry;
      shape.offset = 0;
      if (shape.numel() == 0) shape = Geometry::contiguous(shape.sizes);
      if (!shape.is_dense()) refuse(Fallback::tensor_layout, op.call.op);
      ValueId value = graph().add_value(output.dtype, std::move(shape));
      node.call.returns[position] = static_cast<int>(node.results.size());
      node.results.push_back(value);
      made.emplace_back(storage, value);
    }
    std::vector<std::pair<int, ValueId>> versions;  // storage -> value
    for (size_t w = 0; w < op.written.size(); ++w) {
      int position = op.written[w];
      const auto& operand = op.operands[position];
      if (graph().value(buffers_[operand.storage].value).dtype != operand.dtype)
        refuse(Fallback::dtype_view, op.call.op + " writes it");
      if (op.rewritten[w].storage != operand.storage || op.rewritten[w].geometry != operand.geometry)
        refuse(Fallback::resized, op.call.op);
      if (overlaps_itself(operand.geometry))
        refuse(Fallback::tensor_layout, op.call.op + " writes memory that overlaps itself");
      Buffer& buffer = buffers_[operand.storage];
      if (std::any_of(versions.begin(), versions.end(), [&](auto& v) { return v.first == operand.storage; }))
        refuse(Fallback::tensor_layout, op.call.op + " writes one storage through two arguments");
      const Value& old = graph().value(buffer.value);
      ValueId value = graph().add_value(old.dtype, old.shape, old.length);
      node.call.mutates.emplace_back(position, static_cast<int>(node.results.size()));
      node.results.push_back(value);
      versions.emplace_back(operand.storage, value);
    }
    graph().append(std::move(node));
    for (auto [position, storage] : fresh) {
      Buffer& buffer = buffers_[storage];
      if (buffer.known) continue;
      buffer.known = true;
      buffer.base = op.outputs[position].geometry.numel() == 0 ? 0 : op.outputs[position].geometry.offset;
      buffer.value = std::find_if(made.begin(), made.end(), [&, s = storage](auto& m) { return m.first == s; })->second;
    }
    for (auto [storage, value] : versions) {
      buffers_[storage].value = value;
      buffers_[storage].writes++;
    }
  }

  /// Whether two places of a window may be the same address (exact for what views make, cautious beyond).
  static bool overlaps_itself(const Geometry& geometry) {
    if (geometry.numel() <= 1) return false;
    std::vector<std::pair<int64_t, int64_t>> dims;  // stride, size
    for (size_t i = 0; i < geometry.sizes.size(); ++i)
      if (geometry.sizes[i] > 1) dims.emplace_back(geometry.strides[i], geometry.sizes[i]);
    std::sort(dims.begin(), dims.end());
    int64_t reach = 0;
    for (auto [stride, size] : dims) {
      if (stride <= reach) return true;
      reach += stride * (size - 1);
    }
    return false;
  }

  /// An operand for arithmetic: numbers of half precision are widened, which keeps them apart.
  Access comparable(const RecordedOp& op, size_t operand) {
    Access access = read(op.operands[operand], op.call.op);
    if (info(op.operands[operand].dtype).kind != DTypeKind::Half) return access;
    Node wide;
    wide.op = Op::cast_;
    wide.operands = {access};
    wide.origin = op.call.op;
    return graph().whole(graph().append(std::move(wide), DType::f32, Geometry::contiguous(access.geometry.sizes)));
  }

  /// torch.equal: one number that says whether all elements are.
  ValueId are_equal(const RecordedOp& op) {
    const auto& sizes = op.operands[0].geometry.sizes;
    Node compare;
    compare.op = Op::eq_;
    compare.operands = {comparable(op, 0), comparable(op, 1)};
    compare.origin = op.call.op;
    ValueId same = graph().append(std::move(compare), DType::b1, Geometry::contiguous(sizes));
    if (sizes.empty()) return same;
    Node all;
    all.op = Op::all_;
    all.operands = {graph().whole(same)};
    all.origin = op.call.op;
    for (size_t dim = 0; dim < sizes.size(); ++dim) all.reduce_dims.push_back(static_cast<int>(dim));
    return graph().append(std::move(all), DType::b1, Geometry::contiguous(std::vector<int64_t>(sizes.size(), 1)));
  }

  /// The number goes into an output of its own, to be compared at each replay.
  void guard_value(const RecordedOp& op) {
    ValueId value = -1;
    if (op.operands.size() == 2) {
      const auto& [a, b] = std::tie(op.operands[0], op.operands[1]);
      if (a.geometry.sizes != b.geometry.sizes || a.geometry.numel() == 0) return;  // whatever they hold
      value = are_equal(op);
    } else {
      Node copy;
      copy.op = Op::cast_;
      copy.operands.emplace_back(read(op.operands[0], op.call.op));
      copy.origin = op.call.op;
      value = graph().append(std::move(copy), op.read->dtype, Geometry::contiguous(op.operands[0].geometry.sizes));
    }
    program_.value_guards.push_back({static_cast<int>(graph().outputs.size()), *op.read});
    graph().outputs.push_back(value);
  }

  /// t_, squeeze_, ...: nothing is computed, and a tensor made inside may change its shape. set_ and resize_ change
  /// memory too.
  bool changes_metadata(const RecordedOp& op) {
    if (op.written.empty() || op.written.size() != op.rewritten.size()) return false;
    bool moved = false;
    for (size_t w = 0; w < op.written.size(); ++w) {
      const auto& before = op.operands[op.written[w]];
      const auto& after = op.rewritten[w];
      if (before.storage == after.storage && before.geometry == after.geometry) continue;
      moved = true;
      if (slot_of_.count(recording_.tensors[before.tensor].impl._unsafe_get_target()))
        refuse(Fallback::metadata_mutation, op.call.op);
    }
    if (!moved) return is_inplace_view(op.call.op);
    if (!is_inplace_view(op.call.op)) {
      if (op.call.overload.find("out") == std::string::npos) refuse(Fallback::resized, op.call.op);
      refuse(Fallback::resized, op.call.op + "." + op.call.overload);
    }
    return true;
  }

  static bool is_inplace_view(const std::string& op) {
    static const std::vector<std::string> names = {"aten::t_",         "aten::transpose_",  "aten::squeeze_",
                                                   "aten::unsqueeze_", "aten::detach_",     "aten::swapaxes_",
                                                   "aten::swapdims_",  "aten::as_strided_", "aten::rename_"};
    return std::find(names.begin(), names.end(), op) != names.end();
  }

  void finish(const std::vector<at::Tensor>& results) {
    program_.meets_autograd = recording_.meets_autograd;
    if (recording_.reads_offsets)
      for (size_t s = 0; s < arguments_.size() + program_.captured.size(); ++s)
        program_.slot_offsets.push_back(slots_[s].storage_offset());
    std::map<int, int> output_of_storage;
    for (const auto& result : results) program_.outputs.push_back(output(result, results, output_of_storage));
    for (auto& buffer : buffers_) {
      if (buffer.input < 0 || buffer.writes == 0) continue;
      int slot = buffer.slot;
      if (slot >= static_cast<int>(arguments_.size() + program_.captured.size()))
        continue;  // a literal: nobody sees it again
      graph().mutations.push_back({buffer.input, buffer.value});
      program_.mutated.push_back(slot);
    }
    keep_checks();
  }

  TensorOutput output(const at::Tensor& result, const std::vector<at::Tensor>& results,
                      std::map<int, int>& output_of_storage) {
    TensorOutput out;
    auto dtype = dtype_of(result.scalar_type());
    if (auto slot = slot_of_.find(result.unsafeGetTensorImpl());
        slot != slot_of_.end() && slot->second < static_cast<int>(arguments_.size() + program_.captured.size())) {
      out.kind = TensorOutput::Kind::Input;
      out.index = slot->second;
      if (dtype) out.dtype = *dtype;
      return out;
    }
    if (!dtype || !result.has_storage() || result.layout() != c10::kStrided)
      refuse(Fallback::tensor_kind, describe_tensor(result));
    out.dtype = *dtype;
    auto seen = seen_storages_.find(result.storage().unsafeGetStorageImpl());
    if (seen == seen_storages_.end() || !buffers_[seen->second].known)
      refuse(Fallback::unknown_tensor, "a result of the call");
    if (recording_.storages[seen->second].unwritten && result.numel() > 0) {
      record_whole(recording_.storages[seen->second].composite);
      refuse(Fallback::unseen_writer, "a result of the call");
    }
    Buffer& buffer = buffers_[seen->second];
    const Value& value = graph().value(buffer.value);
    if (value.dtype != *dtype && (result.is_neg() || result.is_conj()))
      refuse(Fallback::dtype_view, "a result of the call");
    const auto in_result = [&](int64_t elements) {  // of the value
      const int64_t bytes = elements * info(value.dtype).bytes;
      if (bytes % info(*dtype).bytes != 0) refuse(Fallback::dtype_view, "a result of the call");
      return bytes / info(*dtype).bytes;
    };
    out.geometry = geometry_of(result);
    bool empty = out.geometry.numel() == 0;
    if (buffer.input >= 0 && buffer.slot < static_cast<int>(arguments_.size() + program_.captured.size())) {
      out.kind = TensorOutput::Kind::View;
      out.index = buffer.slot;
      out.geometry.offset -= in_result(slots_[buffer.slot].storage_offset());
      out.detached = detached_from(result, slots_[buffer.slot]);
      return out;
    }
    if (result.requires_grad()) refuse(Fallback::needs_grad, "a result requires grad");
    if (result.is_inference() != c10::InferenceMode::is_enabled())
      refuse(Fallback::inference_tensors, "a result of the call");
    out.geometry.offset = empty ? 0 : out.geometry.offset - in_result(buffer.base);
    if (out.geometry.offset < 0 || out.geometry.extent() > value.length * info(value.dtype).bytes / info(*dtype).bytes)
      refuse(Fallback::tensor_layout, "a result of the call");
    auto [it, fresh] = output_of_storage.try_emplace(seen->second, static_cast<int>(graph().outputs.size()));
    if (fresh) graph().outputs.push_back(buffer.value);
    out.index = it->second;
    if (!result.is_view()) {
      out.detached = TensorOutput::Detached::View;
      return out;
    }
    auto base = std::find_if(results.begin(), results.end(),
                             [&](const at::Tensor& other) { return other.is_same(result._base()); });
    if (base != results.end()) out.base = static_cast<int>(base - results.begin());
    return out;
  }

  /// A view knows what it is a view of, unless detach() or .data came in between.
  static TensorOutput::Detached detached_from(const at::Tensor& view, const at::Tensor& slot) {
    if (!view.is_view()) return TensorOutput::Detached::View;
    const at::TensorBase& base = slot.is_view() ? slot._base() : slot;
    return view._base().is_same(base) ? TensorOutput::Detached::No : TensorOutput::Detached::Base;
  }

  /// Eager raises for an index out of range whether or not the result is used.
  void keep_checks() {
    std::vector<bool> used(graph().values.size(), false);
    for (ValueId id : graph().outputs) used[id] = true;
    for (const Mutation& m : graph().mutations) used[m.value] = true;
    for (size_t n = graph().nodes.size(); n-- > 0;) {
      const Node& node = graph().nodes[n];
      if (std::none_of(node.results.begin(), node.results.end(), [&](ValueId id) { return used[id]; })) {
        if (node.results.empty() || !checks_values(node.call.op)) continue;
        graph().outputs.push_back(node.results[0]);
      }
      for (const Operand& operand : node.operands)
        if (auto* access = std::get_if<Access>(&operand)) used[access->value] = true;
    }
  }

  static bool checks_values(const std::string& op) {
    static const std::vector<std::string> beginnings = {
        "aten::index",    "aten::gather",  "aten::embedding",  "aten::_embedding_bag", "aten::take",
        "aten::put",      "aten::scatter", "aten::nll_loss",   "aten::linalg_",        "aten::_linalg_",
        "aten::bincount", "aten::histc",   "aten::max_unpool", "aten::floor_divide",   "aten::remainder"};
    return std::any_of(beginnings.begin(), beginnings.end(),
                       [&](const std::string& beginning) { return op.rfind(beginning, 0) == 0; });
  }

  const Recording& recording_;
  const std::vector<at::Tensor>& arguments_;
  const std::vector<at::Tensor>& candidates_;
  std::vector<Buffer> buffers_;
  std::vector<at::Tensor> slots_;
  std::unordered_map<c10::TensorImpl*, int> slot_of_;
  std::unordered_map<c10::TensorImpl*, int> seen_tensors_;
  std::unordered_map<c10::StorageImpl*, int> seen_storages_;
  std::map<std::pair<ValueId, DType>, ValueId> reinterpreted_;
  CapturedProgram program_;
};

}  // namespace

std::variant<CapturedProgram, Refusal> functionalise(const Recording& recording,
                                                     const std::vector<at::Tensor>& arguments,
                                                     const std::vector<at::Tensor>& candidates,
                                                     const std::vector<at::Tensor>& results,
                                                     const std::vector<at::Generator>& generators) {
  if (recording.refusal) return recording.refusal;
  try {
    CapturedProgram program = Functionaliser(recording, arguments, candidates).run(results);
    program.generators = generators_of(recording, generators);
    for (const auto& seen : recording.generators)
      if (seen.moved) program.drawn.push_back(seen.generator);
    return program;
  } catch (const Refused& refused) {
    return refused.refusal;
  }
}

}  // namespace braze
