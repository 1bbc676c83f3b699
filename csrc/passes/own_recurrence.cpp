// A call becomes a product for the inputs of all steps, an lstm over [rows, states, steps, blocks, units, gates,
// depth], and, where many steps read them, a copy of the weights in the order in which the kernel does.
#include "passes/own_recurrence.h"

#include <algorithm>
#include <utility>

#include "graph/geometry.h"
#include "passes/readers.h"

namespace braze {
namespace {

constexpr int64_t kLstm = 2;  // a mode of mkldnn_rnn_layer
constexpr int64_t kGates = 4;
constexpr int64_t kStepsWorthPacking = 8;

const Access* tensor(const Node& node, size_t argument) {
  auto* arg = std::get_if<TensorArg>(&node.call.args[argument]);
  return arg && arg->operand >= 0 ? std::get_if<Access>(&node.operands[arg->operand]) : nullptr;
}

/// Whether the call is one layer, in one direction, without what a gradient needs.
bool is_plain(const std::vector<ExternArg>& args) {
  auto* lengths = std::get_if<std::vector<int64_t>>(&args[8]);
  auto* mode = std::get_if<int64_t>(&args[9]);
  return lengths && lengths->empty() && mode && *mode == kLstm && std::holds_alternative<bool>(args[7]) &&
         std::holds_alternative<bool>(args[12]);
}

bool has_sizes(const Graph& graph, const Access& access, const std::vector<int64_t>& sizes) {
  return graph.value(access.value).dtype == DType::f32 && access.geometry.sizes == sizes;
}

bool has_form(const Graph& graph, const RecurrentCall& call) {
  if (call.input.geometry.sizes.size() != 3 || call.weight.geometry.sizes.size() != 2) return false;
  const int64_t units = call.units(), columns = kGates * units;
  const std::vector<int64_t> bias = {columns}, state = {call.rows(), units};
  if (call.input.geometry.numel() == 0 || units < 2) return false;
  for (const auto& added : {call.input_bias, call.bias})
    if (added && !has_sizes(graph, *added, bias)) return false;
  return has_sizes(graph, call.input, call.input.geometry.sizes) &&
         has_sizes(graph, call.input_weight, {columns, call.width()}) &&
         has_sizes(graph, call.weight, {columns, units}) && call.weight.geometry.strides[1] == 1 &&
         has_sizes(graph, call.hidden, state) && has_sizes(graph, call.cell, state);
}

class Rewriting {
 public:
  Rewriting(Graph& graph, const PrefersOwnRecurrence& prefers) : graph_(graph), prefers_(prefers) {}

  bool run() {
    find_written();
    std::vector<Node> nodes = std::exchange(graph_.nodes, {});
    bool changed = false;
    for (Node& node : nodes) {
      redirect(node);
      const auto call = read_recurrence(graph_, node);
      if (call && prefers_(*call)) {
        origin_ = node.origin;
        rewrite(*call);
        changed = true;
      } else {
        graph_.append(std::move(node));
      }
    }
    return changed;
  }

 private:
  /// A value as a part of another.
  struct Part {
    ValueId whole = -1;
    int64_t offset = 0;
  };

  /// Values that have to be buffers of their own: somebody outside sees them, or writes to them.
  void find_written() {
    own_buffer_ = Readers(graph_).visible;
    auto write = [&](const Operand& operand) {
      if (auto* access = std::get_if<Access>(&operand)) own_buffer_[access->value] = 1;
    };
    for (const Node& node : graph_.nodes) {
      if (node.op == Op::update_) write(node.operands[0]);
      for (auto [operand, result] : node.call.mutates) write(node.operands[operand]);
    }
    part_.resize(graph_.values.size());
  }

  void redirect(Node& node) const {
    for (Operand& operand : node.operands) {
      auto* access = std::get_if<Access>(&operand);
      if (!access || access->value >= static_cast<ValueId>(part_.size())) continue;
      const Part& part = part_[access->value];
      if (part.whole < 0) continue;
      access->value = part.whole;
      access->geometry.offset += part.offset;
    }
  }

  Node node_of(Op op, std::vector<Operand> operands) const {
    Node node;
    node.op = op;
    node.origin = origin_;
    node.operands = std::move(operands);
    return node;
  }

  Access copy(const Access& access, Geometry shape) {
    return graph_.whole(graph_.append(node_of(Op::cast_, {access}), DType::f32, std::move(shape)));
  }
  Access contiguous(const Access& access) {
    Geometry shape = Geometry::contiguous(access.geometry.sizes), window = shape;
    window.offset = access.geometry.offset;
    return squeezed(access.geometry) == squeezed(window) ? access : copy(access, std::move(shape));
  }

  /// What the inputs of all steps give the gates, with both biases: [steps * rows, gates * units].
  Access given(const RecurrentCall& call) {
    const Access input = contiguous(call.input);
    const Geometry& w = call.input_weight.geometry;
    const int64_t rows = call.steps() * call.rows(), columns = w.sizes[0];
    std::vector<Operand> factors = {
        Access{input.value, {input.geometry.offset, {rows, call.width()}, {call.width(), 1}}},
        Access{call.input_weight.value, {w.offset, {w.sizes[1], w.sizes[0]}, {w.strides[1], w.strides[0]}}}};
    Node product = node_of(Op::extern_, {});
    if (auto bias = biases(call)) {
      product.call.op = "aten::addmm";
      product.call.args = {TensorArg{0}, TensorArg{1}, TensorArg{2}, int64_t{1}, int64_t{1}};
      product.operands.emplace_back(*bias);
    } else {
      product.call.op = "aten::mm";
      product.call.args = {TensorArg{0}, TensorArg{1}};
    }
    product.operands.insert(product.operands.end(), factors.begin(), factors.end());
    product.call.returns = {0};
    return graph_.whole(graph_.append(std::move(product), DType::f32, Geometry::contiguous({rows, columns})));
  }

  std::optional<Access> biases(const RecurrentCall& call) {
    if (!call.input_bias || !call.bias) return call.input_bias ? call.input_bias : call.bias;
    return graph_.whole(graph_.append(node_of(Op::add_, {*call.input_bias, *call.bias}), DType::f32,
                                      Geometry::contiguous(call.bias->geometry.sizes)));
  }

  void rewrite(const RecurrentCall& call) {
    const int64_t s = call.steps(), m = call.rows(), h = call.units();
    const int64_t units = call.packs() ? kUnitsOfPanel : h, blocks = h / units;
    const Access given_all = given(call), hidden = contiguous(call.hidden), cell = contiguous(call.cell);
    Access weight = call.weight;
    const int64_t apart = weight.geometry.strides[0];
    Geometry& w = weight.geometry;
    w = {w.offset, {blocks, units, kGates, h}, {units * apart, apart, h * apart, 1}};
    if (call.packs()) weight = copy(weight, {0, w.sizes, {units * kGates * h, 1, units, units * kGates}});

    const std::vector<int64_t> domain = {m, 2, s, blocks, units, kGates, h};
    auto over_domain = [&](const Access& access, std::vector<int64_t> strides) {
      return Access{access.value, {access.geometry.offset, domain, std::move(strides)}};
    };
    const auto& v = weight.geometry.strides;
    Node layer = node_of(call.backward ? Op::lstm_back_ : Op::lstm_,
                         {over_domain(given_all, {kGates * h, 0, m * kGates * h, units, 1, h, 0}),
                          over_domain(weight, {0, 0, 0, v[0], v[1], v[2], v[3]}),
                          over_domain(hidden, {h, 0, 0, 0, 0, 0, 1}), over_domain(cell, {h, 0, 0, units, 1, 0, 0})});
    layer.reduce_dims = {5, 6};
    const ValueId states = graph_.append(std::move(layer), DType::f32,
                                         {0, {m, 2, s, blocks, units, 1, 1}, {h, s * m * h, m * h, units, 1, 1, 1}});
    const int64_t last = (call.backward ? 0 : s - 1) * m * h;
    give(call.results[0], {states, 0});
    give(call.results[1], {states, last});
    give(call.results[2], {states, s * m * h + last});
  }

  void give(ValueId result, Part part) {
    if (result < 0) return;
    if (!own_buffer_[result]) {
      part_[result] = part;
      return;
    }
    Geometry window = graph_.value(result).shape;
    window.offset = part.offset;
    Node node = node_of(Op::cast_, {Access{part.whole, window}});
    node.results = {result};
    graph_.append(std::move(node));
  }

  Graph& graph_;
  const PrefersOwnRecurrence& prefers_;
  std::vector<char> own_buffer_;  // by value
  std::vector<Part> part_;        // by value: what is read in its place
  std::string origin_;
};

}  // namespace

bool RecurrentCall::packs() const { return units() % kUnitsOfPanel == 0 && steps() >= kStepsWorthPacking; }

/// (input, weight of inputs, weight of states, bias, bias, hx, cx, reverse, batch_sizes, mode, hidden_size, num_layers,
/// has_biases, bidirectional, batch_first, train) -> (output, hy, cy, workspace)
std::optional<RecurrentCall> read_recurrence(const Graph& graph, const Node& node) {
  if (node.op != Op::extern_ || node.call.op != "aten::mkldnn_rnn_layer" || node.call.args.size() != 16 ||
      node.call.returns.size() != 4 || node.call.returns[3] >= 0 || !is_plain(node.call.args))
    return std::nullopt;
  for (size_t i : {0, 1, 2, 5, 6})
    if (!tensor(node, i)) return std::nullopt;
  RecurrentCall call{*tensor(node, 0), *tensor(node, 1), *tensor(node, 2), std::nullopt,
                     std::nullopt,     *tensor(node, 5), *tensor(node, 6)};
  if (std::get<bool>(node.call.args[12])) {
    if (!tensor(node, 3) || !tensor(node, 4)) return std::nullopt;
    call.input_bias = *tensor(node, 3), call.bias = *tensor(node, 4);
  }
  call.backward = std::get<bool>(node.call.args[7]);
  if (!has_form(graph, call)) return std::nullopt;
  for (size_t r = 0; r < call.results.size(); ++r) {
    const int result = node.call.returns[r];
    if (result < 0) continue;
    call.results[r] = node.results[result];
    const Geometry& shape = graph.value(call.results[r]).shape;
    const std::vector<int64_t> sizes = r == 0 ? std::vector<int64_t>{call.steps(), call.rows(), call.units()}
                                              : std::vector<int64_t>{call.rows(), call.units()};
    if (shape != Geometry::contiguous(sizes)) return std::nullopt;
  }
  return call;
}

bool own_recurrence(Graph& graph, const PrefersOwnRecurrence& prefers) { return Rewriting(graph, prefers).run(); }

}  // namespace braze
