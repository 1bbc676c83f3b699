// The two ways are two programs of one node.
#include "frontend/call/recurrence_choice.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <pybind11/pybind11.h>

#include <exception>

#include "compiler.h"
#include "frontend/call/product_choice.h"
#include "frontend/call/program_trial.h"
#include "frontend/library/out_variant.h"
#include "frontend/library/remembered.h"
#include "frontend/library/trial_run.h"

namespace braze {
namespace {

constexpr double kMostTerms = 1e10;  // of a layer worth a trial, which would take seconds beyond

/// A program that is nothing but the call.
CapturedProgram program_of(const RecurrentCall& call) {
  CapturedProgram program;
  Graph& graph = program.graph;
  Node node;
  auto add = [&](Access access) {
    access.geometry.offset = 0;
    access.value = graph.add_input(DType::f32, access.geometry.extent());
    program.inputs.push_back({static_cast<int>(program.inputs.size()), 0});
    node.operands.emplace_back(std::move(access));
    return TensorArg{static_cast<int>(node.operands.size()) - 1};
  };
  const Access &input_bias = call.input_bias ? *call.input_bias : call.input_weight,
               &bias = call.bias ? *call.bias : call.input_weight;
  const bool biases = call.input_bias && call.bias;
  node.op = Op::extern_;
  node.call.op = "aten::mkldnn_rnn_layer";
  node.call.args = {add(call.input),
                    add(call.input_weight),
                    add(call.weight),
                    add(input_bias),
                    add(bias),
                    add(call.hidden),
                    add(call.cell),
                    call.backward,
                    std::vector<int64_t>{},
                    int64_t{2},
                    call.units(),
                    int64_t{1},
                    biases,
                    false,
                    false,
                    false};
  node.call.returns = {0, 1, 2, -1};
  for (const std::vector<int64_t>& sizes : {std::vector<int64_t>{call.steps(), call.rows(), call.units()},
                                            {call.rows(), call.units()},
                                            {call.rows(), call.units()}}) {
    const Geometry shape = Geometry::contiguous(sizes);
    program.outputs.push_back(
        {TensorOutput::Kind::Buffer, static_cast<int>(program.outputs.size()), DType::f32, shape});
    node.results.push_back(graph.add_value(DType::f32, shape));
  }
  graph.outputs = node.results;
  graph.append(std::move(node));
  return program;
}

bool always(const RecurrentCall&) { return true; }

/// A trial that fails, for want of memory say, is one that PyTorch's layer wins.
bool own_is_faster(const RecurrentCall& call, const Options& options) try {
  const pybind11::gil_scoped_acquire calls_need_it;
  const at::AutoDispatchBelowADInplaceOrView below_autograd;
  const CapturedProgram program = program_of(call);
  auto way = [&](const PrefersOwnRecurrence& prefers) {
    const PrefersOwn products = prefers ? product_choice(options) : nullptr;
    return ProgramTrial(program, compile(program.graph, options, has_out_variant, products, nullptr, prefers));
  };
  ProgramTrial own = way(always), library = way(nullptr);
  const auto [own_seconds, library_seconds] = seconds_in_turn([&] { own.run(); }, [&] { library.run(); });
  return own_seconds < library_seconds;
} catch (const std::exception&) {
  return false;
}

std::string question(const RecurrentCall& call, const Options& options) {
  std::string text = std::string("lstm ") + (call.backward ? "backward " : "") + circumstances(options);
  for (const Access* access : {&call.input, &call.input_weight, &call.weight, &call.hidden, &call.cell})
    text += in_words(access->geometry);
  if (call.input_bias && call.bias) text += " with biases";
  return text;
}

bool prefers_own(const RecurrentCall& call, const Options& options) {
  const double places = static_cast<double>(call.steps() * call.rows()) * static_cast<double>(4 * call.units());
  if (places * static_cast<double>(call.width() + call.units()) > kMostTerms) return false;
  return remembered_choice(question(call, options), {"library", "own"}, [&] { return own_is_faster(call, options); }) ==
         1;
}

}  // namespace

PrefersOwnRecurrence recurrence_choice(const Options& options) {
  if (options.products == "library") return nullptr;
  if (options.products == "own") return always;
  return [options](const RecurrentCall& call) { return prefers_own(call, options); };
}

}  // namespace braze
