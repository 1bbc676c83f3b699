// A call becomes an attend over [batch, heads of keys, heads that share them, rows, columns, keys, depth], between
// casts where it is of a half type.
#include "passes/own_attention.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "passes/readers.h"

namespace braze {
namespace {

constexpr int64_t kMostDepth = 256;  // what is kept of a block of rows and of some keys fits the second cache

const Access* tensor(const Node& node, size_t argument) {
  auto* arg = std::get_if<TensorArg>(&node.call.args[argument]);
  return arg && arg->operand >= 0 ? std::get_if<Access>(&node.operands[arg->operand]) : nullptr;
}

bool is_absent(const ExternArg& arg) {
  auto* tensor = std::get_if<TensorArg>(&arg);
  return std::holds_alternative<NoneArg>(arg) || (tensor && tensor->operand < 0);
}

std::optional<double> real(const ExternArg& arg) {
  if (auto* number = std::get_if<double>(&arg)) return *number;
  if (auto* number = std::get_if<int64_t>(&arg)) return static_cast<double>(*number);
  return std::nullopt;
}

/// A mask over all of [batch, heads, rows, keys].
Access expanded(Access mask, const std::vector<int64_t>& sizes) {
  Geometry& g = mask.geometry;
  while (g.sizes.size() < sizes.size()) {
    g.sizes.insert(g.sizes.begin(), 1);
    g.strides.insert(g.strides.begin(), 0);
  }
  for (size_t d = 0; d < sizes.size(); ++d)
    if (g.sizes[d] != sizes[d]) g.sizes[d] = sizes[d], g.strides[d] = 0;
  return mask;
}

/// Two tensors move along the dims that tell what is a row, a column, a key (attention_form.h).
bool moves(const Access& access, std::initializer_list<size_t> dims) {
  const Geometry& g = access.geometry;
  return std::all_of(dims.begin(), dims.end(), [&](size_t d) { return g.sizes[d] == 1 || g.strides[d] != 0; });
}

bool has_form(const AttentionCall& call) {
  const int64_t heads = call.query_sizes()[1], sharing = heads / call.key.geometry.sizes[1];
  if (call.key.geometry.sizes[1] * sharing != heads || call.key.geometry.sizes[0] != call.query_sizes()[0])
    return false;
  for (size_t d : {0, 1, 2})
    if (call.value.geometry.sizes[d] != call.key.geometry.sizes[d]) return false;
  if (call.columns() < 2 || call.keys() < 2 || call.depth() < 2) return false;
  if (call.depth() > kMostDepth || call.columns() > kMostDepth) return false;
  if (!moves(call.query, {0, 1, 2, 3}) || !moves(call.key, {2, 3}) || !moves(call.value, {2, 3})) return false;
  if (call.mask && !moves(*call.mask, {3})) return false;
  return !call.causal || call.rows() > 1;
}

class Rewriting {
 public:
  Rewriting(Graph& graph, const PrefersOwnAttention& prefers) : graph_(graph), prefers_(prefers) {}

  bool run() {
    const Readers readers(graph_);
    std::vector<Node> nodes = std::exchange(graph_.nodes, {});
    bool changed = false;
    for (Node& node : nodes) {
      // A gradient would need the logarithms of the totals.
      const bool alone = std::all_of(node.results.begin() + !node.results.empty(), node.results.end(),
                                     [&](ValueId id) { return readers.nodes[id].empty() && !readers.is_visible(id); });
      const auto call = alone ? read_attention(graph_, node) : std::nullopt;
      if (call && prefers_(*call)) {
        rewrite(node, *call);
        changed = true;
      } else {
        graph_.append(std::move(node));
      }
    }
    return changed;
  }

 private:
  /// What is seen at many places is made f32 once.
  Access in_f32(const Access& access, const std::string& origin) {
    if (graph_.value(access.value).dtype == DType::f32) return access;
    Access once = access;
    for (size_t d = 0; d < once.geometry.sizes.size(); ++d)
      if (once.geometry.strides[d] == 0) once.geometry.sizes[d] = 1;
    Node cast;
    cast.op = Op::cast_;
    cast.origin = origin;
    cast.operands = {once};
    Access made = graph_.whole(graph_.append(std::move(cast), DType::f32, Geometry::contiguous(once.geometry.sizes)));
    for (size_t d = 0; d < once.geometry.sizes.size(); ++d)
      if (access.geometry.strides[d] == 0) made.geometry.strides[d] = 0;
    made.geometry.sizes = access.geometry.sizes;
    return made;
  }

  void rewrite(const Node& node, const AttentionCall& call) {
    const Access query = in_f32(call.query, node.origin), key = in_f32(call.key, node.origin),
                 value = in_f32(call.value, node.origin);
    const auto &q = query.geometry.strides, &k = key.geometry.strides, &v = value.geometry.strides;
    const auto& sizes = call.query_sizes();
    const int64_t shared = key.geometry.sizes[1], sharing = sizes[1] / shared;
    const std::vector<int64_t> domain = {sizes[0],       shared,      sharing,     call.rows(),
                                         call.columns(), call.keys(), call.depth()};
    auto over_domain = [&](const Access& access, std::vector<int64_t> strides) {
      return Access{access.value, {access.geometry.offset, domain, std::move(strides)}};
    };
    Node attend;
    attend.op = call.causal ? Op::attend_causal_ : Op::attend_;
    attend.origin = node.origin;
    attend.reduce_dims = {5, 6};
    attend.operands = {over_domain(query, {q[0], q[1] * sharing, q[1], q[2], 0, 0, q[3]}),
                       over_domain(key, {k[0], k[1], 0, 0, 0, k[2], k[3]}),
                       over_domain(value, {v[0], v[1], 0, 0, v[3], v[2], 0}), Scalar::of_double(DType::f32, 0),
                       Scalar::of_double(DType::f32, call.scale)};
    if (call.mask) {
      const Access mask = in_f32(*call.mask, node.origin);
      const auto& m = mask.geometry.strides;
      attend.operands[3] = over_domain(mask, {m[0], m[1] * sharing, m[1], m[2], 0, m[3], 0});
    }
    const ValueId result = node.results[0];
    const auto r = graph_.value(result).shape.strides;
    const Geometry shape{0,
                         {sizes[0], shared, sharing, call.rows(), call.columns(), 1, 1},
                         {r[0], r[1] * sharing, r[1], r[2], r[3], 1, 1}};
    if (call.dtype == DType::f32) {
      graph_.values[result].shape = shape;
      attend.results = {result};
      return graph_.append(std::move(attend));
    }
    const ValueId made = graph_.append(std::move(attend), DType::f32, shape);
    Node cast;
    cast.op = Op::cast_;
    cast.origin = node.origin;
    cast.operands = {Access{made, graph_.value(result).shape}};
    cast.results = {result};
    graph_.append(std::move(cast));
  }

  Graph& graph_;
  const PrefersOwnAttention& prefers_;
};

}  // namespace

/// (query, key, value, dropout_p, is_causal, attn_mask, scale) -> (output, logsumexp)
std::optional<AttentionCall> read_attention(const Graph& graph, const Node& node) {
  if (node.op != Op::extern_ || node.call.op != "aten::_scaled_dot_product_flash_attention_for_cpu")
    return std::nullopt;
  const std::vector<ExternArg>& args = node.call.args;
  if (args.size() != 7 || node.results.empty() || node.call.returns.empty() || node.call.returns[0] != 0)
    return std::nullopt;
  const Access *query = tensor(node, 0), *key = tensor(node, 1), *value = tensor(node, 2);
  auto* causal = std::get_if<bool>(&args[4]);
  if (!query || !key || !value || !causal || real(args[3]) != 0.0) return std::nullopt;
  AttentionCall call{*query, *key, *value, std::nullopt};
  call.causal = *causal;
  for (const Access* access : {query, key, value})
    if (access->geometry.sizes.size() != 4 || access->geometry.numel() == 0) return std::nullopt;
  call.dtype = graph.value(query->value).dtype;
  if (call.dtype != DType::f32 && info(call.dtype).kind != DTypeKind::Half) return std::nullopt;
  call.scale = 1 / std::sqrt(static_cast<double>(call.depth()));
  if (!is_absent(args[6])) {
    const auto scale = real(args[6]);
    if (!scale) return std::nullopt;
    call.scale = *scale;
  }
  if (!is_absent(args[5])) {
    const Access* mask = tensor(node, 5);
    const DType dtype = mask ? graph.value(mask->value).dtype : DType::b1;
    if ((dtype != DType::f32 && info(dtype).kind != DTypeKind::Half) || call.causal) return std::nullopt;
    call.mask_dtype = dtype;
    const auto& sizes = call.query_sizes();
    call.mask = expanded(*mask, {sizes[0], sizes[1], call.rows(), call.keys()});
  }
  const Value& result = graph.value(node.results[0]);
  if (result.dtype != call.dtype || !result.shape.is_dense() || result.shape.sizes.size() != 4 || !has_form(call))
    return std::nullopt;
  return call;
}

bool own_attention(Graph& graph, const PrefersOwnAttention& prefers) { return Rewriting(graph, prefers).run(); }

}  // namespace braze
