// A layer becomes a product for the inputs of all steps, an lstm or gru over [rows, states, steps, blocks, units,
// gates, depth], and, where many steps read them, a copy of the weights in the order in which the kernel does.
#include "passes/own_recurrence.h"

#include <algorithm>
#include <utility>

#include "graph/geometry.h"
#include "passes/readers.h"

namespace braze {
namespace {

/// A window of a matrix's or vector's memory.
Access part_of(const Access& access, int64_t offset, Geometry shape) {
  shape.offset = access.geometry.offset + offset;
  return {access.value, std::move(shape)};
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
      if (call && std::all_of(call->layers.begin(), call->layers.end(), prefers_)) {
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

  ValueId append(Op op, std::vector<Operand> operands, Geometry shape) {
    return graph_.append(node_of(op, std::move(operands)), DType::f32, std::move(shape));
  }

  /// What the inputs of all steps give the gates, with the biases: [steps * rows, gates * units].
  Access given(const RecurrentLayer& layer) {
    const Geometry& w = layer.input_weight.geometry;
    const int64_t rows = layer.steps() * layer.rows(), columns = w.sizes[0];
    std::vector<Operand> factors = {
        part_of(layer.input, 0, Geometry::contiguous({rows, layer.width()})),
        Access{layer.input_weight.value, {w.offset, {w.sizes[1], w.sizes[0]}, {w.strides[1], w.strides[0]}}}};
    Node product = node_of(Op::extern_, {});
    if (layer.input_bias && layer.bias) {
      product.call.op = "aten::addmm";
      product.call.args = {TensorArg{0}, TensorArg{1}, TensorArg{2}, int64_t{1}, int64_t{1}};
      product.operands.emplace_back(layer.cell ? sum(*layer.input_bias, *layer.bias) : biases_of_gru(layer));
    } else {
      product.call.op = "aten::mm";
      product.call.args = {TensorArg{0}, TensorArg{1}};
    }
    product.operands.insert(product.operands.end(), factors.begin(), factors.end());
    product.call.returns = {0};
    return graph_.whole(graph_.append(std::move(product), DType::f32, Geometry::contiguous({rows, columns})));
  }

  Access sum(const Access& a, const Access& b) {
    return graph_.whole(append(Op::add_, {a, b}, Geometry::contiguous(a.geometry.sizes)));
  }

  /// The candidate's bias of the states is no part of it: the reset gate multiplies it.
  Access biases_of_gru(const RecurrentLayer& layer) {
    const int64_t h = layer.units(), inner = layer.input_bias->geometry.strides[0],
                  outer = layer.bias->geometry.strides[0];
    const Access gates =
        sum(part_of(*layer.input_bias, 0, {0, {2 * h}, {inner}}), part_of(*layer.bias, 0, {0, {2 * h}, {outer}}));
    return joined({gates, part_of(*layer.input_bias, 2 * h * inner, {0, {h}, {inner}})},
                  {{0, {2 * h}, {1}}, {2 * h, {h}, {1}}}, Geometry::contiguous({3 * h}));
  }

  Access extra_of(const RecurrentLayer& layer) {
    const int64_t h = layer.units();
    if (layer.cell) return contiguous(*layer.cell);
    if (!layer.bias)
      return graph_.whole(append(Op::cast_, {Scalar::of_double(DType::f32, 0)}, Geometry::contiguous({h})));
    const int64_t apart = layer.bias->geometry.strides[0];
    return contiguous(part_of(*layer.bias, 2 * h * apart, {0, {h}, {apart}}));
  }

  /// A buffer of this shape whose regions are the parts.
  Access joined(const std::vector<Access>& parts, const std::vector<Geometry>& regions, const Geometry& shape) {
    ValueId buffer = append(Op::empty_, {}, shape);
    for (size_t p = 0; p < parts.size(); ++p) {
      Node update = node_of(Op::update_, {graph_.whole(buffer), parts[p]});
      update.region = regions[p];
      buffer = graph_.append(std::move(update), DType::f32, shape);
    }
    return graph_.whole(buffer);
  }

  /// All states of a layer: hidden [steps, rows, units], of an LSTM followed by cells.
  ValueId states_of(const RecurrentLayer& layer) {
    const int64_t s = layer.steps(), m = layer.rows(), h = layer.units(), gates = layer.gates();
    const int64_t units = layer.packs() ? kUnitsOfPanel : h, blocks = h / units, states = layer.cell ? 2 : 1;
    const Access inputs = given(layer), hidden = contiguous(layer.hidden), extra = extra_of(layer);
    Access weight = layer.weight;
    const int64_t apart = weight.geometry.strides[0];
    Geometry& w = weight.geometry;
    w = {w.offset, {blocks, units, gates, h}, {units * apart, apart, h * apart, 1}};
    if (layer.packs()) weight = copy(weight, {0, w.sizes, {units * gates * h, 1, units, units * gates}});

    const std::vector<int64_t> domain = {m, states, s, blocks, units, gates, h};
    auto over_domain = [&](const Access& access, std::vector<int64_t> strides) {
      return part_of(access, 0, {0, domain, std::move(strides)});
    };
    const auto& v = weight.geometry.strides;
    Op op = layer.cell ? Op::lstm_ : Op::gru_;
    if (layer.backward) op = layer.cell ? Op::lstm_back_ : Op::gru_back_;
    Node node =
        node_of(op, {over_domain(inputs, {gates * h, 0, m * gates * h, units, 1, h, 0}),
                     over_domain(weight, {0, 0, 0, v[0], v[1], v[2], v[3]}), over_domain(hidden, {h, 0, 0, 0, 0, 0, 1}),
                     over_domain(extra, {layer.cell ? h : 0, 0, 0, units, 1, 0, 0})});
    node.reduce_dims = {5, 6};
    return graph_.append(std::move(node), DType::f32,
                         {0, {m, states, s, blocks, units, 1, 1}, {h, s * m * h, m * h, units, 1, 1, 1}});
  }

  void rewrite(const RecurrentCall& call) {
    std::vector<Access> hidden, cells;
    Access below = call.layers[0].input;
    const size_t directions = call.directions;
    for (size_t first = 0; first < call.layers.size(); first += directions) {
      const RecurrentLayer& shape = call.layers[first];
      const int64_t s = shape.steps(), m = shape.rows(), h = shape.units(),
                    width = h * static_cast<int64_t>(directions);
      below = contiguous(below);
      std::vector<Access> sequences;
      std::vector<Geometry> regions;
      for (size_t d = 0; d < directions; ++d) {
        RecurrentLayer layer = call.layers[first + d];
        layer.input = below;
        const Access states = graph_.whole(states_of(layer));
        const int64_t last = (layer.backward ? 0 : s - 1) * m * h;
        sequences.push_back(part_of(states, 0, Geometry::contiguous({s, m, h})));
        regions.push_back({static_cast<int64_t>(d) * h, {s, m, h}, {m * width, width, 1}});
        hidden.push_back(part_of(states, last, Geometry::contiguous({1, m, h})));
        if (layer.cell) cells.push_back(part_of(states, s * m * h + last, Geometry::contiguous({1, m, h})));
      }
      below = directions == 1 ? sequences[0] : joined(sequences, regions, Geometry::contiguous({s, m, width}));
    }
    give(call.output, below);
    give(call.hidden, hidden);
    give(call.cell, cells);
  }

  /// Dense parts of one size, one after the other.
  void give(ValueId result, const std::vector<Access>& parts) {
    if (result < 0) return;
    if (parts.size() == 1) return give(result, parts[0]);
    const int64_t each = parts[0].geometry.numel(), count = static_cast<int64_t>(parts.size());
    std::vector<Geometry> regions(parts.size(), parts[0].geometry);
    for (size_t p = 0; p < parts.size(); ++p) regions[p].offset = static_cast<int64_t>(p) * each;
    give(result, joined(parts, regions, Geometry::contiguous({count * each})));
  }

  /// The result has its elements where the access has them, from its offset on.
  void give(ValueId result, const Access& access) {
    if (result < 0) return;
    if (!own_buffer_[result]) {
      part_[result] = {access.value, access.geometry.offset};
      return;
    }
    Node node = node_of(Op::cast_, {part_of(access, 0, graph_.value(result).shape)});
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

bool own_recurrence(Graph& graph, const PrefersOwnRecurrence& prefers) { return Rewriting(graph, prefers).run(); }

}  // namespace braze
