// Whole layers that PyTorch runs as one call in inference are opened into the calls they stand for, so that what lies
// between their matrix products can be fused: nn.TransformerEncoderLayer and self-attention (see
// aten/src/ATen/native/transformers/transformer.cpp and attention.cpp). Masked and padded forms stay closed.
#include <optional>
#include <utility>

#include "passes/pass.h"

namespace braze {
namespace {

/// Appends ATen calls with one wanted result each.
class Calls {
 public:
  Calls(Graph& graph, std::string origin) : graph_(graph), origin_(std::move(origin)) {}

  /// `args` are in schema order; a TensorArg counts in `operands`. The result is a new value, or `into`.
  Access call(std::string op, std::string overload, std::vector<Access> operands, std::vector<ExternArg> args,
              Geometry shape, int returns = 1, ValueId into = -1) {
    Node node;
    node.op = Op::extern_;
    node.origin = origin_;
    node.call.op = "aten::" + std::move(op);
    node.call.overload = std::move(overload);
    node.call.args = std::move(args);
    node.call.returns.assign(static_cast<size_t>(returns), -1);
    node.call.returns[0] = 0;
    const DType dtype = graph_.value(operands[0].value).dtype;
    for (Access& operand : operands) node.operands.emplace_back(std::move(operand));
    const ValueId result = into >= 0 ? into : graph_.add_value(dtype, std::move(shape));
    node.results = {result};
    graph_.append(std::move(node));
    return graph_.whole(result);
  }

  Access add(const Access& a, const Access& b, ValueId into = -1) {
    return call("add", "Tensor", {a, b}, {TensorArg{0}, TensorArg{1}, int64_t{1}}, a.geometry, 1, into);
  }
  /// x [rows, in] times the transpose of weight [out, in], plus bias [out].
  Access linear(const Access& x, const Access& weight, const Access& bias, ValueId into = -1) {
    const Geometry& w = weight.geometry;
    Access turned{weight.value, {w.offset, {w.sizes[1], w.sizes[0]}, {w.strides[1], w.strides[0]}}};
    return call("addmm", "", {bias, x, std::move(turned)},
                {TensorArg{0}, TensorArg{1}, TensorArg{2}, int64_t{1}, int64_t{1}},
                Geometry::contiguous({x.geometry.sizes[0], w.sizes[0]}), 1, into);
  }
  Access layer_norm(const Access& x, const Access& weight, const Access& bias, double eps, ValueId into = -1) {
    return call("native_layer_norm", "", {x, weight, bias},
                {TensorArg{0}, std::vector<int64_t>{x.geometry.sizes.back()}, TensorArg{1}, TensorArg{2}, eps},
                x.geometry, 3, into);
  }
  Access activation(const Access& x, bool gelu) {
    if (gelu) return call("gelu", "", {x}, {TensorArg{0}, std::string("none")}, x.geometry);
    return call("relu", "", {x}, {TensorArg{0}}, x.geometry);
  }

 private:
  Graph& graph_;
  std::string origin_;
};

/// The weights of self-attention: one matrix [3 * width, width] makes queries, keys and values.
struct Attention {
  int64_t heads;
  Access qkv_weight, qkv_bias, out_weight, out_bias;
};

/// The same memory as rows: [batch * length, width].
Access rows_of(const Access& x) {
  const auto& sizes = x.geometry.sizes;
  return {x.value, {x.geometry.offset, {sizes[0] * sizes[1], sizes[2]}, {sizes[2], 1}}};
}

/// x [batch, length, width] attends to itself; the result is rows.
Access attend(Calls& calls, const Access& x, const Attention& weights, ValueId into = -1) {
  const int64_t batch = x.geometry.sizes[0], length = x.geometry.sizes[1], width = x.geometry.sizes[2];
  const int64_t heads = weights.heads, depth = width / heads;
  const Access qkv = calls.linear(rows_of(x), weights.qkv_weight, weights.qkv_bias);
  std::vector<Access> parts;
  for (int64_t part : {0, 1, 2})
    parts.push_back(
        {qkv.value, {part * width, {batch, heads, length, depth}, {length * 3 * width, depth, 3 * width, 1}}});
  const Access attended = calls.call("_scaled_dot_product_flash_attention_for_cpu", "", parts,
                                     {TensorArg{0}, TensorArg{1}, TensorArg{2}, 0.0, false, NoneArg{}, NoneArg{}},
                                     {0, {batch, heads, length, depth}, {length * width, depth, width, 1}}, 2);
  const Access joined{attended.value, {0, {batch * length, width}, {width, 1}}};
  return calls.linear(joined, weights.out_weight, weights.out_bias, into);
}

/// The arguments of one call by schema position.
class Arguments {
 public:
  explicit Arguments(const Node& node) : node_(node) {}

  Access tensor(size_t i) const {
    return std::get<Access>(node_.operands[static_cast<size_t>(std::get<TensorArg>(node_.call.args[i]).operand)]);
  }
  bool is_tensor(size_t i) const {
    auto* tensor = std::get_if<TensorArg>(&node_.call.args[i]);
    return tensor && tensor->operand >= 0 &&
           std::holds_alternative<Access>(node_.operands[static_cast<size_t>(tensor->operand)]);
  }
  bool is_none(size_t i) const {
    auto* tensor = std::get_if<TensorArg>(&node_.call.args[i]);
    return std::holds_alternative<NoneArg>(node_.call.args[i]) || (tensor && tensor->operand < 0);
  }
  int64_t integer(size_t i) const { return std::get<int64_t>(node_.call.args[i]); }
  bool flag(size_t i) const { return std::get<bool>(node_.call.args[i]); }
  double real(size_t i) const { return std::get<double>(node_.call.args[i]); }

  bool are_tensors(size_t first, size_t last) const {
    for (size_t i = first; i <= last; ++i)
      if (!is_tensor(i)) return false;
    return true;
  }

 private:
  const Node& node_;
};

bool is_plain(const Graph& graph, const Access& x, int64_t heads) {
  const Geometry& g = x.geometry;
  return g.sizes.size() == 3 && g.numel() > 0 && g.strides == Geometry::contiguous(g.sizes).strides && heads > 0 &&
         g.sizes[2] % heads == 0 && is_floating(graph.value(x.value).dtype);
}

/// src, embed_dim, num_heads, qkv_weight, qkv_bias, proj_weight, proj_bias, use_gelu, norm_first, eps, norm weights and
/// biases (10..13), feed-forward weights and biases (14..17), mask, mask_type
bool open_encoder_layer(Graph& graph, const Node& node) {
  const Arguments in(node);
  if (!in.is_tensor(0) || !in.are_tensors(3, 6) || !in.are_tensors(10, 17) || !in.is_none(18)) return false;
  const Access source = in.tensor(0);
  if (!is_plain(graph, source, in.integer(2))) return false;
  const bool norm_first = in.flag(8);
  const double eps = in.real(9);
  Calls calls(graph, node.origin);
  const Attention weights{in.integer(2), in.tensor(3), in.tensor(4), in.tensor(5), in.tensor(6)};
  const Geometry shape = Geometry::contiguous(source.geometry.sizes);
  auto whole = [&](const Access& rows) { return Access{rows.value, shape}; };

  Access x = norm_first ? calls.layer_norm(source, in.tensor(10), in.tensor(11), eps) : source;
  x = calls.add(whole(attend(calls, x, weights)), source);
  if (!norm_first) x = calls.layer_norm(x, in.tensor(10), in.tensor(11), eps);
  const Access middle = x;
  if (norm_first) x = calls.layer_norm(x, in.tensor(12), in.tensor(13), eps);
  x = calls.activation(calls.linear(rows_of(x), in.tensor(14), in.tensor(15)), in.flag(7));
  x = calls.linear(x, in.tensor(16), in.tensor(17));
  const ValueId result = node.results[0];
  x = calls.add(whole(x), middle, norm_first ? result : -1);
  if (!norm_first) calls.layer_norm(x, in.tensor(12), in.tensor(13), eps, result);
  return true;
}

/// query, key, value, embed_dim, num_head, qkv_weight, qkv_bias, proj_weight, proj_bias, mask, need_weights, ...
bool open_attention(Graph& graph, const Node& node) {
  const Arguments in(node);
  if (!in.are_tensors(0, 2) || !in.are_tensors(5, 8) || !in.is_none(9) || in.flag(10)) return false;
  const Access query = in.tensor(0);
  if (!is_plain(graph, query, in.integer(4)) || in.tensor(1) != query || in.tensor(2) != query) return false;
  Calls calls(graph, node.origin);
  const Access rows = attend(calls, query, {in.integer(4), in.tensor(5), in.tensor(6), in.tensor(7), in.tensor(8)});
  Node copy;
  copy.op = Op::cast_;
  copy.origin = node.origin;
  copy.operands = {Access{rows.value, Geometry::contiguous(query.geometry.sizes)}};
  copy.results = {node.results[0]};
  graph.append(std::move(copy));
  return true;
}

bool open(Graph& graph, const Node& node) {
  const bool alone =
      node.results.size() == 1 && !node.call.returns.empty() && node.call.returns[0] == 0 &&
      node.call.mutates.empty() &&
      graph.value(node.results[0]).shape == Geometry::contiguous(graph.value(node.results[0]).shape.sizes);
  if (!alone) return false;
  if (node.call.op == "aten::_transformer_encoder_layer_fwd") return open_encoder_layer(graph, node);
  if (node.call.op == "aten::_native_multi_head_attention") return open_attention(graph, node);
  return false;
}

}  // namespace

bool open_layers(Graph& graph) {
  std::vector<Node> calls = std::exchange(graph.nodes, {});
  bool changed = false;
  for (Node& node : calls) {
    if (node.op == Op::extern_ && open(graph, node))
      changed = true;
    else
      graph.append(std::move(node));
  }
  return changed;
}

}  // namespace braze
