// The two ways are two programs of one node.
#include "frontend/call/recurrence_choice.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <pybind11/pybind11.h>

#include "compiler.h"
#include "frontend/call/product_choice.h"
#include "frontend/call/program_trial.h"
#include "frontend/library/out_variant.h"
#include "frontend/library/remembered.h"
#include "frontend/library/trial_run.h"

namespace braze {
namespace {

constexpr double kMostTerms = 1e10;  // of a layer worth a trial, which would take seconds beyond

/// A program that is nothing but one layer, from the first step to the last if it is a GRU.
class LayerProgram {
 public:
  explicit LayerProgram(const RecurrentLayer& layer) : layer_(layer) {}

  CapturedProgram take() {
    node_.op = Op::extern_;
    if (layer_.cell)
      lstm();
    else
      gru();
    const int64_t rows = layer_.rows(), units = layer_.units();
    result({layer_.steps(), rows, units});
    for (int64_t state = 0; state < (layer_.cell ? 2 : 1); ++state) result({1, rows, units});
    program_.graph.outputs = node_.results;
    program_.graph.append(std::move(node_));
    return std::move(program_);
  }

 private:
  void lstm() {
    const bool biases = layer_.input_bias && layer_.bias;
    const TensorArg input = add(layer_.input), input_weight = add(layer_.input_weight), weight = add(layer_.weight);
    const TensorArg input_bias = biases ? add(*layer_.input_bias) : weight, bias = biases ? add(*layer_.bias) : weight;
    node_.call.op = "aten::mkldnn_rnn_layer";
    node_.call.args = {input,
                       input_weight,
                       weight,
                       input_bias,
                       bias,
                       add(layer_.hidden),
                       add(*layer_.cell),
                       layer_.backward,
                       std::vector<int64_t>{},
                       int64_t{2},
                       layer_.units(),
                       int64_t{1},
                       biases,
                       false,
                       false,
                       false};
    node_.call.returns = {0, 1, 2, -1};
  }

  void gru() {
    const bool biases = layer_.input_bias && layer_.bias;
    Access hidden = layer_.hidden;
    hidden.geometry.sizes.insert(hidden.geometry.sizes.begin(), 1);
    hidden.geometry.strides.insert(hidden.geometry.strides.begin(), layer_.rows() * layer_.units());
    const TensorArg input = add(layer_.input), first = add(hidden);
    TensorListArg params{{add(layer_.input_weight).operand, add(layer_.weight).operand}};
    if (biases)
      for (const Access& bias : {*layer_.input_bias, *layer_.bias}) params.operands.push_back(add(bias).operand);
    node_.call.op = "aten::gru";
    node_.call.overload = "input";
    node_.call.args = {input, first, params, biases, int64_t{1}, 0.0, false, false, false};
    node_.call.returns = {0, 1};
  }

  TensorArg add(Access access) {
    access.geometry.offset = 0;
    access.value = program_.graph.add_input(DType::f32, access.geometry.extent());
    program_.inputs.push_back({static_cast<int>(program_.inputs.size()), 0});
    node_.operands.emplace_back(std::move(access));
    return TensorArg{static_cast<int>(node_.operands.size()) - 1};
  }

  void result(std::vector<int64_t> sizes) {
    if (layer_.cell && sizes[0] == 1 && !node_.results.empty()) sizes.erase(sizes.begin());
    const Geometry shape = Geometry::contiguous(std::move(sizes));
    program_.outputs.push_back(
        {TensorOutput::Kind::Buffer, static_cast<int>(program_.outputs.size()), DType::f32, shape});
    node_.results.push_back(program_.graph.add_value(DType::f32, shape));
  }

  const RecurrentLayer& layer_;
  CapturedProgram program_;
  Node node_;
};

bool always(const RecurrentLayer&) { return true; }

bool own_is_faster(const RecurrentLayer& layer, const Options& options) {
  const pybind11::gil_scoped_acquire calls_need_it;
  const at::AutoDispatchBelowADInplaceOrView below_autograd;
  const CapturedProgram program = LayerProgram(layer).take();
  auto way = [&](const PrefersOwnRecurrence& prefers) {
    const PrefersOwn products = prefers ? product_choice(options) : nullptr;
    return ProgramTrial(program, compile(program.graph, options, has_out_variant, products, nullptr, prefers));
  };
  ProgramTrial own = way(always), library = way(nullptr);
  const auto [own_seconds, library_seconds] = seconds_in_turn([&] { own.run(); }, [&] { library.run(); });
  return own_seconds < library_seconds;
}

std::string question(const RecurrentLayer& layer, const Options& options) {
  std::string text = layer.cell ? layer.backward ? "lstm backward " : "lstm " : "gru ";
  text += circumstances(options);
  for (const Access* access : {&layer.input, &layer.input_weight, &layer.weight, &layer.hidden})
    text += in_words(access->geometry);
  if (layer.cell) text += in_words(layer.cell->geometry);
  if (layer.input_bias && layer.bias) text += " with biases";
  return text;
}

bool prefers_own(const RecurrentLayer& layer, const Options& options) {
  const double places =
      static_cast<double>(layer.steps() * layer.rows()) * static_cast<double>(layer.gates() * layer.units());
  if (places * static_cast<double>(layer.width() + layer.units()) > kMostTerms) return false;
  return remembered_choice(question(layer, options), {"library", "own"},
                           [&] { return own_is_faster(layer, options); }) == 1;
}

}  // namespace

PrefersOwnRecurrence recurrence_choice(const Options& options) {
  if (options.products == "library") return nullptr;
  if (options.products == "own") return always;
  return [options](const RecurrentLayer& layer) { return prefers_own(layer, options); };
}

}  // namespace braze
