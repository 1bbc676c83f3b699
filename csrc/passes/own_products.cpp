// A product becomes a dot over [batch, M, N, K], and what is added to it an add of its own.
#include "passes/own_products.h"

#include <utility>

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
    std::vector<Node> nodes = std::exchange(graph_.nodes, {});
    bool changed = false;
    for (Node& node : nodes) {
      const auto product = read_product(graph_, node);
      if (product && prefers_(*product)) {
        rewrite(node, *product);
        changed = true;
      } else {
        graph_.append(std::move(node));
      }
    }
    return changed;
  }

 private:
  void rewrite(const Node& call, const ProductCall& product) {
    const ValueId result = call.results[0];
    const DType dtype = graph_.value(result).dtype;
    const int64_t b = product.batch(), m = product.rows(), n = product.columns(), k = product.depth();
    const auto &left = product.left.geometry.strides, &right = product.right.geometry.strides;
    const std::vector<int64_t> domain = {b, m, n, k};
    Node dot;
    dot.op = Op::dot_;
    dot.origin = call.origin;
    dot.operands = {factor(product.left, domain, {left[0], left[1], 0, left[2]}),
                    factor(product.right, domain, {right[0], 0, right[2], right[1]})};
    dot.reduce_dims = {3};
    const Geometry shape = Geometry::contiguous({b, m, n, 1});
    if (!product.added) {
      graph_.values[result].shape = shape;
      dot.results = {result};
      return graph_.append(std::move(dot));
    }
    const ValueId sums = graph_.append(std::move(dot), dtype, shape);
    Node add;
    add.op = Op::add_;
    add.origin = call.origin;
    add.operands = {Access{sums, Geometry::contiguous({m, n})}, *product.added};
    add.results = {result};
    graph_.append(std::move(add));
  }

  Graph& graph_;
  const PrefersOwn& prefers_;
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
  if (result.dtype != DType::f32 || result.length == 0 || left->geometry.numel() == 0) return std::nullopt;
  if (result.shape != Geometry::contiguous(result.shape.sizes)) return std::nullopt;
  ProductCall product{batched ? *left : with_batch(*left), batched ? *right : with_batch(*right), std::nullopt};
  if (adds) product.added = expanded(*added, product.rows(), product.columns());
  return product;
}

bool own_products(Graph& graph, const PrefersOwn& prefers) { return Rewriting(graph, prefers).run(); }

}  // namespace braze
