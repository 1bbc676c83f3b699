// A product becomes a dot over [batch, M, N, K], and what is added to it an add of its own. One of a half type is
// summed in f32 and rounded once, after the addition, as the library does it. Its left factor is widened before, once
// for all columns and all products that read it; kernels widen the right one, a weight most often, while they read it.
#include "passes/own_products.h"

#include <algorithm>
#include <utility>

#include "passes/readers.h"

namespace braze {
namespace {

bool is_one(const ExternArg& arg) {
  if (auto* integer = std::get_if<int64_t>(&arg)) return *integer == 1;
  auto* real = std::get_if<double>(&arg);
  return real && *real == 1;
}

const Access* tensor(const Node& node, size_t argument) {
  auto* arg = std::get_if<TensorArg>(&node.call.args[argument]);
  return arg && arg->operand >= 0 ? std::get_if<Access>(&node.operands[arg->operand]) : nullptr;
}

Access with_batch(Access access) {
  access.geometry.sizes.insert(access.geometry.sizes.begin(), 1);
  access.geometry.strides.insert(access.geometry.strides.begin(), 0);
  return access;
}

/// The tensor that addmm adds, as [rows, columns].
Access expanded(Access access, int64_t rows, int64_t columns) {
  Geometry& g = access.geometry;
  while (g.sizes.size() < 2) {
    g.sizes.insert(g.sizes.begin(), 1);
    g.strides.insert(g.strides.begin(), 0);
  }
  const int64_t wanted[] = {rows, columns};
  for (size_t d = 0; d < 2; ++d)
    if (g.sizes[d] != wanted[d]) g.sizes[d] = wanted[d], g.strides[d] = 0;
  return access;
}

/// An access [batch, M, N, K] from strides along batch, M, N and K.
Access factor(const Access& access, const std::vector<int64_t>& sizes, std::vector<int64_t> strides) {
  return {access.value, {access.geometry.offset, sizes, std::move(strides)}};
}

class Rewriting {
 public:
  Rewriting(Graph& graph, const PrefersOwn& prefers) : graph_(graph), prefers_(prefers) {}

  bool run() {
    const Readers readers(graph_);
    std::vector<Node> nodes = std::exchange(graph_.nodes, {});
    std::vector<ProductCall> products;
    std::vector<size_t> places;  // of their nodes
    for (size_t n = 0; n < nodes.size(); ++n) {
      auto product = read_product(graph_, nodes[n]);
      if (!product) continue;
      const std::vector<NodeId>& next = readers.nodes[nodes[n].results[0]];
      product->is_followed = std::any_of(next.begin(), next.end(),
                                         [&](NodeId id) { return info(nodes[id].op).cls == OpClass::Elementwise; });
      products.push_back(std::move(*product));
      places.push_back(n);
    }
    const std::vector<bool> answers = prefers_(products);
    for (size_t n = 0, p = 0; n < nodes.size(); ++n) {
      const bool is_product = p < places.size() && places[p] == n;
      if (is_product && answers[p])
        rewrite(nodes[n], products[p]);
      else
        graph_.append(std::move(nodes[n]));
      p += is_product;
    }
    return std::find(answers.begin(), answers.end(), true) != answers.end();
  }

 private:
  void rewrite(const Node& call, const ProductCall& product) {
    origin_ = call.origin;
    const int64_t b = product.batch(), m = product.rows(), n = product.columns(), k = product.depth();
    const Access left_factor = widened(product.left);
    const auto &left = left_factor.geometry.strides, &right = product.right.geometry.strides;
    const std::vector<int64_t> domain = {b, m, n, k};
    Node dot = node_of(Op::dot_, {factor(left_factor, domain, {left[0], left[1], 0, left[2]}),
                                  factor(product.right, domain, {right[0], 0, right[2], right[1]})});
    dot.reduce_dims = {3};
    const ValueId result = call.results[0];
    const bool rounds = graph_.value(result).dtype != DType::f32;
    const Geometry shape = Geometry::contiguous({b, m, n, 1});
    if (!product.added && !rounds) {
      graph_.values[result].shape = shape;
      return append(std::move(dot), result);
    }
    Access sums{graph_.append(std::move(dot), DType::f32, shape), graph_.value(result).shape};
    if (product.added) {
      Node add = node_of(Op::add_, {sums, widened(*product.added)});
      if (!rounds) return append(std::move(add), result);
      sums.value = graph_.append(std::move(add), DType::f32, sums.geometry);
    }
    append(node_of(Op::cast_, {sums}), result);
  }

  Node node_of(Op op, std::vector<Operand> operands) const {
    Node node;
    node.op = op;
    node.origin = origin_;
    node.operands = std::move(operands);
    return node;
  }

  void append(Node node, ValueId result) {
    node.results = {result};
    graph_.append(std::move(node));
  }

  /// The same numbers in f32.
  Access widened(const Access& access) {
    if (graph_.value(access.value).dtype == DType::f32) return access;
    const Geometry shape = Geometry::contiguous(access.geometry.sizes);
    for (const auto& [narrow, wide] : widened_)
      if (narrow == access) return {wide, shape};
    const ValueId wide = graph_.append(node_of(Op::cast_, {access}), DType::f32, shape);
    widened_.emplace_back(access, wide);
    return {wide, shape};
  }

  Graph& graph_;
  const PrefersOwn& prefers_;
  std::string origin_;
  std::vector<std::pair<Access, ValueId>> widened_;
};

}  // namespace

std::optional<ProductCall> read_product(const Graph& graph, const Node& node) {
  if (node.op != Op::extern_ || !node.call.mutates.empty() || !node.call.overload.empty() || node.results.size() != 1)
    return std::nullopt;
  const bool adds = node.call.op == "aten::addmm", batched = node.call.op == "aten::bmm";
  if (!adds && !batched && node.call.op != "aten::mm") return std::nullopt;
  const std::vector<ExternArg>& args = node.call.args;
  if (args.size() != (adds ? 5 : 2) || (adds && (!is_one(args[3]) || !is_one(args[4])))) return std::nullopt;
  const Access *left = tensor(node, adds), *right = tensor(node, adds + 1), *added = adds ? tensor(node, 0) : nullptr;
  if (!left || !right || (adds && !added)) return std::nullopt;
  const Value& result = graph.value(node.results[0]);
  const bool sums_in_f32 = result.dtype == DType::f32 || info(result.dtype).kind == DTypeKind::Half;
  if (!sums_in_f32 || result.length == 0 || left->geometry.numel() == 0) return std::nullopt;
  if (result.shape != Geometry::contiguous(result.shape.sizes)) return std::nullopt;
  ProductCall product{batched ? *left : with_batch(*left), batched ? *right : with_batch(*right), std::nullopt,
                      result.dtype};
  if (adds) product.added = expanded(*added, product.rows(), product.columns());
  return product;
}

bool own_products(Graph& graph, const PrefersOwn& prefers) { return Rewriting(graph, prefers).run(); }

}  // namespace braze
