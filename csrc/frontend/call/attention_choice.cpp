// The two ways are two programs of one node.
#include "frontend/call/attention_choice.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/ones.h>
#include <pybind11/pybind11.h>

#include <exception>

#include "compiler.h"
#include "frontend/call/compiled_call.h"
#include "frontend/capture/convert.h"
#include "frontend/library/out_variant.h"
#include "frontend/library/remembered.h"
#include "frontend/library/trial_run.h"
#include "support/error.h"

namespace braze {
namespace {

constexpr double kMostTerms = 1e10;  // of attention worth a trial, which would take seconds beyond

/// A program that is nothing but the call; its result lies as eager lays it out.
CapturedProgram program_of(const AttentionCall& call) {
  CapturedProgram program;
  Graph& graph = program.graph;
  Node node;
  auto add = [&](Access access, DType dtype) {
    access.geometry.offset = 0;
    access.value = graph.add_input(dtype, access.geometry.extent());
    program.inputs.push_back({static_cast<int>(program.inputs.size()), 0});
    node.operands.emplace_back(std::move(access));
    return TensorArg{static_cast<int>(node.operands.size()) - 1};
  };
  node.op = Op::extern_;
  node.call.op = "aten::_scaled_dot_product_flash_attention_for_cpu";
  node.call.args = {add(call.query, call.dtype), add(call.key, call.dtype), add(call.value, call.dtype), 0.0,
                    call.causal};
  node.call.args.push_back(call.mask ? ExternArg(add(*call.mask, call.mask_dtype)) : ExternArg(NoneArg{}));
  node.call.args.push_back(call.scale);
  node.call.returns = {0, -1};
  const Geometry& query = call.query.geometry;
  const at::Tensor like = at::empty_like(at::empty_strided(query.sizes, query.strides, at::kMeta));
  const Geometry shape{0, query.sizes, like.strides().vec()};
  graph.outputs = {graph.append(std::move(node), call.dtype, shape)};
  program.outputs = {{TensorOutput::Kind::Buffer, 0, call.dtype, shape}};
  return program;
}

class Way {
 public:
  Way(const CapturedProgram& program, const Options& options, const PrefersOwnAttention& prefers)
      : call_(compile(program.graph, options, has_out_variant, nullptr, prefers), boundary_of(program)) {
    for (ValueId id : program.graph.inputs) {
      const Value& value = program.graph.value(id);
      tensors_.push_back(at::ones({value.length}, at::TensorOptions().dtype(scalar_type_of(value.dtype))));
    }
  }

  void run() {
    std::vector<at::TensorImpl*> inputs;
    for (const at::Tensor& tensor : tensors_) inputs.push_back(tensor.unsafeGetTensorImpl());
    std::vector<at::Tensor> results;
    check_internal(call_.run(inputs.data(), inputs.size(), results), "attention could not be computed");
  }

 private:
  CompiledCall call_;
  std::vector<at::Tensor> tensors_;
};

/// A trial that fails, for want of memory say, is one that PyTorch's kernel wins.
bool own_is_faster(const AttentionCall& call, const Options& options) try {
  const pybind11::gil_scoped_acquire calls_need_it;
  const at::AutoDispatchBelowADInplaceOrView below_autograd;
  const CapturedProgram program = program_of(call);
  Way own(program, options, [](const AttentionCall&) { return true; });
  Way library(program, options, nullptr);
  const auto [own_seconds, library_seconds] = seconds_in_turn([&] { own.run(); }, [&] { library.run(); });
  return own_seconds < library_seconds;
} catch (const std::exception&) {
  return false;
}

std::string question(const AttentionCall& call, const Options& options) {
  std::string text =
      "attention " + std::string(info(call.dtype).name) + (call.causal ? " causal " : " ") + circumstances(options);
  auto add = [&](const Access& access) {
    text += ";";
    for (int64_t n : access.geometry.sizes) text += " " + std::to_string(n);
    text += " by";
    for (int64_t n : access.geometry.strides) text += " " + std::to_string(n);
  };
  add(call.query);
  add(call.key);
  add(call.value);
  if (call.mask) add(*call.mask);
  return text;
}

bool prefers_own(const AttentionCall& call, const Options& options) {
  const double rows = static_cast<double>(call.query_sizes()[0] * call.query_sizes()[1] * call.rows());
  if (rows * static_cast<double>(call.keys() * (call.depth() + call.columns())) > kMostTerms) return false;
  const std::string asked = question(call, options);
  if (auto known = Remembered::instance().find(asked)) return *known == "own";
  const bool own = own_is_faster(call, options);  // no lock is held: it waits for the GIL
  Remembered::instance().keep(asked, own ? "own" : "library");
  return own;
}

}  // namespace

PrefersOwnAttention attention_choice(const Options& options) {
  if (options.products == "library") return nullptr;
  if (options.products == "own") return [](const AttentionCall&) { return true; };
  return [options](const AttentionCall& call) { return prefers_own(call, options); };
}

}  // namespace braze
