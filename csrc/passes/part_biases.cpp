// What aten::addmm adds becomes an add of its own where arithmetic on every result follows, which a kernel does on the
// way. The library adds nothing on the way: it copies what is to be added into the result first, and reads it again.
#include <algorithm>
#include <utility>

#include "passes/own_products.h"
#include "passes/pass.h"
#include "passes/readers.h"

namespace braze {
namespace {

class Parting {
 public:
  explicit Parting(Graph& graph) : graph_(graph), readers_(graph) {}

  bool run() {
    nodes_ = std::exchange(graph_.nodes, {});
    bool changed = false;
    for (Node& node : nodes_) {
      const std::optional<ProductCall> product = read_product(graph_, node);
      if (product && product->added && product->dtype == DType::f32 && is_followed(node.results[0])) {
        part(node, *product);
        changed = true;
      } else {
        graph_.append(Node(node));
      }
    }
    return changed;
  }

 private:
  /// Whether all who read it compute with each element as it lies.
  bool is_followed(ValueId result) const {
    const std::vector<NodeId>& readers = readers_.nodes[result];
    return !readers_.is_visible(result) && !readers.empty() &&
           std::all_of(readers.begin(), readers.end(),
                       [&](NodeId id) { return computes_with_all(nodes_[id], result); });
  }

  bool computes_with_all(const Node& reader, ValueId value) const {
    if (info(reader.op).cls != OpClass::Elementwise) return false;
    return std::all_of(reader.operands.begin(), reader.operands.end(), [&](const Operand& operand) {
      auto* access = std::get_if<Access>(&operand);
      return !access || access->value != value ||
             (access->geometry.numel() == graph_.value(value).length &&
              access->geometry == Geometry::contiguous(access->geometry.sizes));
    });
  }

  void part(const Node& call, const ProductCall& product) {
    Node sums;
    sums.op = Op::extern_;
    sums.origin = call.origin;
    sums.operands = {without_batch(product.left), without_batch(product.right)};
    sums.call.op = "aten::mm";
    sums.call.args = {TensorArg{0}, TensorArg{1}};
    sums.call.returns = {0};
    const Geometry shape = graph_.value(call.results[0]).shape;
    const Access products{graph_.append(std::move(sums), product.dtype, shape), shape};
    Node add;
    add.op = Op::add_;
    add.origin = call.origin;
    add.operands = {products, *product.added};
    add.results = call.results;
    graph_.append(std::move(add));
  }

  static Access without_batch(Access access) {
    access.geometry.sizes.erase(access.geometry.sizes.begin());
    access.geometry.strides.erase(access.geometry.strides.begin());
    return access;
  }

  Graph& graph_;
  const Readers readers_;
  std::vector<Node> nodes_;  // as they were
};

}  // namespace

bool part_biases(Graph& graph) { return Parting(graph).run(); }

}  // namespace braze
