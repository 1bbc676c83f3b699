// oneDNN's convolutions are fastest where channels are innermost in memory, and that is how they and what stands
// between them are laid out; a value that the caller sees keeps the layout of eager. Each read follows: its window is
// seen through the new layout, and where no single window shows it, or PyTorch runs the reader, it reads a copy as
// eager had it.
#include <algorithm>
#include <iterator>
#include <map>
#include <string_view>
#include <utility>

#include "graph/geometry.h"
#include "passes/constant_values.h"
#include "passes/decompose/aten.h"
#include "passes/fused_convolution.h"
#include "passes/pass.h"
#include "passes/readers.h"

namespace braze {
namespace {

/// Operators that give their result the layout of their argument.
constexpr std::string_view kFollowers[] = {"aten::max_pool2d_with_indices", "aten::avg_pool2d",
                                           "aten::_adaptive_avg_pool2d",    "aten::cat",
                                           "aten::upsample_nearest2d",      "aten::upsample_bilinear2d"};

bool follows(const Node& node) {
  return std::find(std::begin(kFollowers), std::end(kFollowers), node.call.op) != std::end(kFollowers);
}

class Layout {
 public:
  explicit Layout(Graph& graph)
      : graph_(graph),
        constant_(constant_values(graph)),
        readers_(graph),
        pinned_(graph.values.size(), 0),
        old_(graph.values.size()) {
    for (ValueId id = 0; id < static_cast<ValueId>(pinned_.size()); ++id) pinned_[id] = readers_.is_visible(id);
    for (const Node& node : graph.nodes)
      for (auto [operand, result] : node.call.mutates)
        pinned_[std::get<Access>(node.operands[operand]).value] = pinned_[node.results[result]] = 1;
  }

  bool run() {
    if (std::none_of(graph_.nodes.begin(), graph_.nodes.end(), is_fused_convolution)) return false;
    std::vector<Node> nodes = std::exchange(graph_.nodes, {});
    for (Node& node : nodes) {
      const bool was_moved = reads_moved(node);
      for (size_t i = 0; i < node.operands.size(); ++i) read(node, i);
      if (is_fused_convolution(node)) {
        append_convolution(std::move(node));
        continue;
      }
      if (was_moved)
        for (ValueId id : node.results) move(id);
      graph_.append(std::move(node));
    }
    return true;
  }

 private:
  /// Whether the node's results go where its operands went.
  bool reads_moved(const Node& node) const {
    if (!follows(node) && !becomes_primitives(node)) return false;
    return std::any_of(node.operands.begin(), node.operands.end(), [&](const Operand& operand) {
      auto* access = std::get_if<Access>(&operand);
      if (!access || !is_moved(access->value)) return false;
      return follows(node) || access->geometry.sizes == graph_.value(node.results[0]).shape.sizes;
    });
  }

  bool is_constant(ValueId id) const { return id < static_cast<ValueId>(constant_.size()) && constant_[id]; }

  bool is_moved(ValueId id) const { return id < static_cast<ValueId>(old_.size()) && !old_[id].sizes.empty(); }

  bool move(ValueId id) {
    Value& value = graph_.values[id];
    if (pinned_[id] || value.shape.sizes.size() != 4 || value.shape.numel() == 0) return false;
    if (squeezed(value.shape) != squeezed(Geometry::contiguous(value.shape.sizes))) return false;
    old_[id] = std::exchange(value.shape, with_channels_last(value.shape.sizes));
    return true;
  }

  /// A result that has to stay is a copy of one that is laid out as the library likes it.
  void append_convolution(Node node) {
    const ValueId id = node.results[0];
    const Value value = graph_.value(id);
    if (move(id) || lies_channels_last(value.shape)) return graph_.append(std::move(node));
    const ValueId made = graph_.add_value(value.dtype, with_channels_last(value.shape.sizes));
    node.results[0] = made;
    graph_.append(std::move(node));
    Node copy;
    copy.op = Op::cast_;
    copy.operands = {graph_.whole(made)};
    copy.results = {id};
    copy.origin = "aten::convolution";
    graph_.append(std::move(copy));
  }

  void read(Node& node, size_t i) {
    auto* access = std::get_if<Access>(&node.operands[i]);
    if (!access) return;
    if (is_moved(access->value)) follow(node, *access);
    if (!is_fused_convolution(node) || !(is_activation(node, i) || is_read_as_it_is(node, i))) return;
    const Geometry wanted = with_channels_last(access->geometry.sizes);
    if (lies_channels_last(access->geometry))
      access->geometry.strides = wanted.strides;  // oneDNN looks at those of dims of size 1 too
    else
      *access = copy_of(*access, wanted);
  }

  void follow(const Node& node, Access& access) {
    const ValueId id = access.value;
    const Geometry& now = graph_.value(id).shape;
    const bool any_layout =
        is_fused_convolution(node) || follows(node) || node.op != Op::extern_ || becomes_primitives(node);
    if (auto window = look_through(access.geometry, old_[id], now); window && any_layout)
      access.geometry = *window;
    else
      access = {copy_of(graph_.whole(id), old_[id]).value, access.geometry};
  }

  static bool is_activation(const Node& node, size_t operand) {
    return operand == 0 || (operand == 1 && node.call.overload == "binary");
  }

  /// A weight that is not packed later.
  bool is_read_as_it_is(const Node& node, size_t operand) const {
    auto* weight = std::get_if<TensorArg>(&node.call.args[weight_argument(node)]);
    return weight && weight->operand == static_cast<int>(operand) &&
           !is_constant(std::get<Access>(node.operands[operand]).value);
  }

  /// The elements of a window in a buffer of their own, of this shape.
  Access copy_of(const Access& access, const Geometry& shape) {
    auto [known, fresh] =
        copies_.try_emplace({access.value, access.geometry.offset, access.geometry.strides, shape.strides}, -1);
    if (fresh) {
      Node copy;
      copy.op = Op::cast_;
      copy.operands = {access};
      copy.origin = "aten::contiguous";
      known->second = graph_.append(std::move(copy), graph_.value(access.value).dtype, shape);
    }
    return graph_.whole(known->second);
  }

  Graph& graph_;
  std::vector<char> constant_;  // by value, of those there were at first
  Readers readers_;
  std::vector<char> pinned_;   // by value: somebody relies on its layout
  std::vector<Geometry> old_;  // by value: the shape before it moved; empty where it did not
  std::map<std::tuple<ValueId, int64_t, std::vector<int64_t>, std::vector<int64_t>>, ValueId> copies_;
};

}  // namespace

bool channels_last(Graph& graph) { return Layout(graph).run(); }

}  // namespace braze
