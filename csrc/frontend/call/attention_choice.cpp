// The two ways are two programs of one node.
#include "frontend/call/attention_choice.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/empty_strided.h>
#include <pybind11/pybind11.h>

#include "compiler.h"
#include "frontend/call/program_trial.h"
#include "frontend/library/out_variant.h"
#include "frontend/library/remembered.h"
#include "frontend/library/trial_run.h"

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

bool always(const AttentionCall&) { return true; }

bool own_is_faster(const AttentionCall& call, const Options& options) {
  const pybind11::gil_scoped_acquire calls_need_it;
  const at::AutoDispatchBelowADInplaceOrView below_autograd;
  const CapturedProgram program = program_of(call);
  auto way = [&](const PrefersOwnAttention& prefers) {
    return ProgramTrial(program, compile(program.graph, options, has_out_variant, nullptr, prefers));
  };
  ProgramTrial own = way(always), library = way(nullptr);
  const auto [own_seconds, library_seconds] = seconds_in_turn([&] { own.run(); }, [&] { library.run(); });
  return own_seconds < library_seconds;
}

std::string question(const AttentionCall& call, const Options& options) {
  std::string text =
      "attention " + std::string(info(call.dtype).name) + (call.causal ? " causal " : " ") + circumstances(options);
  for (const Access* access : {&call.query, &call.key, &call.value}) text += in_words(access->geometry);
  if (call.mask) text += in_words(call.mask->geometry);
  return text;
}

bool prefers_own(const AttentionCall& call, const Options& options) {
  const double rows = static_cast<double>(call.query_sizes()[0] * call.query_sizes()[1] * call.rows());
  if (rows * static_cast<double>(call.keys() * (call.depth() + call.columns())) > kMostTerms) return false;
  return remembered_choice(question(call, options), {"library", "own"}, [&] { return own_is_faster(call, options); }) ==
         1;
}

}  // namespace

PrefersOwnAttention attention_choice(const Options& options) {
  if (options.products == "library") return nullptr;
  if (options.products == "own") return always;
  return [options](const AttentionCall& call) { return prefers_own(call, options); };
}

}  // namespace braze
