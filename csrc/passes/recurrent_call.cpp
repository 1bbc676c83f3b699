#include "passes/recurrent_call.h"

#include <algorithm>

#include "graph/geometry.h"

namespace braze {
namespace {

constexpr int64_t kLstm = 2;  // a mode of mkldnn_rnn_layer
constexpr int64_t kStepsWorthPacking = 8;

class Reading {
 public:
  Reading(const Graph& graph, const Node& node) : graph_(graph), node_(node) {}

  std::optional<RecurrentCall> run() {
    if (node_.op != Op::extern_ || !node_.call.mutates.empty()) return std::nullopt;
    const bool lstm = node_.call.op == "aten::mkldnn_rnn_layer";
    if (!lstm && (node_.call.op != "aten::gru" || node_.call.overload != "input")) return std::nullopt;
    if (!(lstm ? read_lstm() : read_gru())) return std::nullopt;
    if (!std::all_of(call_.layers.begin(), call_.layers.end(), [&](const auto& layer) { return has_form(layer); }))
      return std::nullopt;
    return results() ? std::optional(call_) : std::nullopt;
  }

 private:
  const Access* operand(int position) const {
    return position >= 0 ? std::get_if<Access>(&node_.operands[position]) : nullptr;
  }
  const Access* tensor(size_t argument) const {
    auto* arg = std::get_if<TensorArg>(&node_.call.args[argument]);
    return arg ? operand(arg->operand) : nullptr;
  }
  template <typename T>
  const T* argument(size_t position) const {
    return std::get_if<T>(&node_.call.args[position]);
  }

  /// (input, weight of inputs, weight of states, bias, bias, hx, cx, reverse, batch_sizes, mode, hidden_size,
  /// num_layers, has_biases, bidirectional, batch_first, train) -> (output, hy, cy, workspace): one direction of a
  /// layer
  bool read_lstm() {
    if (node_.call.args.size() != 16 || node_.call.returns.size() != 4 || node_.call.returns[3] >= 0) return false;
    auto *backward = argument<bool>(7), *biases = argument<bool>(12);
    auto* lengths = argument<std::vector<int64_t>>(8);
    auto* mode = argument<int64_t>(9);
    if (!backward || !biases || !lengths || !lengths->empty() || !mode || *mode != kLstm) return false;
    for (size_t i : {0, 1, 2, 5, 6})
      if (!tensor(i)) return false;
    RecurrentLayer layer{*tensor(0), *tensor(1), *tensor(2), {}, {}, *tensor(5), *tensor(6), *backward};
    if (*biases) {
      if (!tensor(3) || !tensor(4)) return false;
      layer.input_bias = *tensor(3), layer.bias = *tensor(4);
    }
    call_.layers = {std::move(layer)};
    return true;
  }

  /// (input, hx, params, has_biases, num_layers, dropout, train, bidirectional, batch_first) -> (output, hy)
  bool read_gru() {
    if (node_.call.args.size() != 9 || node_.call.returns.size() != 2) return false;
    const Access *input = tensor(0), *hidden = tensor(1);
    auto* params = argument<TensorListArg>(2);
    auto *biases = argument<bool>(3), *train = argument<bool>(6), *both = argument<bool>(7), *first = argument<bool>(8);
    auto* layers = argument<int64_t>(4);
    auto* dropout = argument<double>(5);
    if (!input || !hidden || !params || !biases || !layers || !dropout || !train || !both || !first) return false;
    if (input->geometry.sizes.size() != 3 || hidden->geometry.sizes.size() != 3 || (*train && *dropout != 0))
      return false;
    batch_first_ = *first;
    call_.directions = *both ? 2 : 1;
    const size_t each = *biases ? 4 : 2, count = static_cast<size_t>(*layers) * call_.directions;
    if (count == 0 || params->operands.size() != count * each ||
        hidden->geometry.sizes[0] != static_cast<int64_t>(count))
      return false;
    Access below = *input;
    if (batch_first_) {
      std::swap(below.geometry.sizes[0], below.geometry.sizes[1]);
      std::swap(below.geometry.strides[0], below.geometry.strides[1]);
    }
    for (size_t l = 0; l < count; ++l) {
      const Access* own[4] = {};
      for (size_t p = 0; p < each; ++p) own[p] = operand(params->operands[l * each + p]);
      if (!own[0] || !own[1] || (*biases && (!own[2] || !own[3])) || own[1]->geometry.sizes.size() != 2) return false;
      RecurrentLayer layer{below, *own[0], *own[1], {}, {}, *hidden, {}, l % call_.directions == 1};
      if (*biases) layer.input_bias = *own[2], layer.bias = *own[3];
      layer.hidden.geometry = selected(hidden->geometry, 0, static_cast<int64_t>(l));
      call_.layers.push_back(layer);
      if (l % call_.directions + 1 == call_.directions)
        below = {-1, Geometry::contiguous(
                         {layer.steps(), layer.rows(), layer.units() * static_cast<int64_t>(call_.directions)})};
    }
    return true;
  }

  bool has_sizes(const Access& access, const std::vector<int64_t>& sizes) const {
    return (access.value < 0 || graph_.value(access.value).dtype == DType::f32) && access.geometry.sizes == sizes;
  }

  bool has_form(const RecurrentLayer& layer) const {
    if (layer.input.geometry.sizes.size() != 3 || layer.weight.geometry.sizes.size() != 2) return false;
    const int64_t units = layer.units(), columns = layer.gates() * units;
    if (layer.input.geometry.numel() == 0 || units < 2) return false;
    for (const auto& added : {layer.input_bias, layer.bias})
      if (added && !has_sizes(*added, {columns})) return false;
    return has_sizes(layer.input, layer.input.geometry.sizes) &&
           has_sizes(layer.input_weight, {columns, layer.width()}) && has_sizes(layer.weight, {columns, units}) &&
           layer.weight.geometry.strides[1] == 1 && has_sizes(layer.hidden, {layer.rows(), units}) &&
           (!layer.cell || has_sizes(*layer.cell, {layer.rows(), units}));
  }

  /// Their memory is in the order in which the kernels make it.
  bool results() {
    const RecurrentLayer& last = call_.layers.back();
    const int64_t width = last.units() * static_cast<int64_t>(call_.directions);
    Geometry output = Geometry::contiguous({last.steps(), last.rows(), width});
    if (batch_first_) output = {0, {last.rows(), last.steps(), width}, {width, last.rows() * width, 1}};
    Geometry state = Geometry::contiguous({static_cast<int64_t>(call_.layers.size()), last.rows(), last.units()});
    ValueId* results[] = {&call_.output, &call_.hidden, &call_.cell};
    for (size_t r = 0; r < std::min<size_t>(node_.call.returns.size(), 3); ++r) {
      const int result = node_.call.returns[r];
      if (result < 0) continue;
      *results[r] = node_.results[result];
      if (squeezed(graph_.value(*results[r]).shape) != squeezed(r == 0 ? output : state)) return false;
    }
    return true;
  }

  const Graph& graph_;
  const Node& node_;
  RecurrentCall call_;
  bool batch_first_ = false;
};

}  // namespace

bool RecurrentLayer::packs() const { return units() % kUnitsOfPanel == 0 && steps() >= kStepsWorthPacking; }

std::optional<RecurrentCall> read_recurrence(const Graph& graph, const Node& node) {
  return Reading(graph, node).run();
}

}  // namespace braze
