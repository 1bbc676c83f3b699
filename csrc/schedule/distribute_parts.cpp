// One walk over the nodes, which knows for each value put together from parts where they are and what they are made of.
#include "schedule/distribute_parts.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "graph/geometry.h"
#include "graph/size_division.h"

namespace braze {
namespace {

constexpr size_t kMostParts = 4;
constexpr int64_t kShortestRun = 8;  // neighbours in memory that a part must have to be worth a loop of its own
constexpr int kDeepest = 3;          // producers of producers that are computed by parts too

struct Part {
  int64_t start = 0, size = 0;
  Operand written;
};

struct Parts {
  int dim = -1;
  std::vector<Part> parts;  // in order, covering the dim
};

class Distributor {
 public:
  explicit Distributor(Graph& graph) : graph_(graph), readers_(graph.values.size(), 0), parts_(graph.values.size()) {
    for (const Node& node : graph.nodes)
      for (size_t i = 0; i < node.operands.size(); ++i) count_reader(node, i);
    for (ValueId id : graph.outputs) readers_[id] += 2;
    for (const Mutation& mutation : graph.mutations) readers_[mutation.value] += 2;
  }

  bool run() {
    const std::vector<Node> before = std::move(graph_.nodes);
    graph_.nodes.clear();
    for (const Node& node : before) {
      const std::optional<Parts> parts = parts_to_take(node);
      if (parts) {
        distribute(node, *parts);
        changed_ = true;
      } else {
        if (node.op == Op::update_) find_parts(node);
        graph_.append(node);
      }
    }
    return changed_;
  }

 private:
  const Value& value(ValueId id) const { return graph_.value(id); }

  /// A node that reads a value twice is one reader.
  void count_reader(const Node& node, size_t operand) {
    auto* access = std::get_if<Access>(&node.operands[operand]);
    if (!access) return;
    for (size_t i = 0; i < operand; ++i)
      if (auto* other = std::get_if<Access>(&node.operands[i]); other && other->value == access->value) return;
    ++readers_[access->value];
  }

  // What a value is put together from

  /// Where along which dim of `shape` a region lies, when it is all of the others.
  static std::optional<std::pair<int, int64_t>> place_of(const Geometry& region, const Geometry& shape) {
    if (region.sizes.size() != shape.sizes.size() || region.strides != shape.strides) return std::nullopt;
    int dim = -1;
    for (size_t d = 0; d < shape.sizes.size(); ++d) {
      if (region.sizes[d] == shape.sizes[d]) continue;
      if (dim >= 0) return std::nullopt;
      dim = static_cast<int>(d);
    }
    if (dim < 0 || shape.strides[dim] == 0 || remainder_of_sizes(region.offset, shape.strides[dim]) != 0)
      return std::nullopt;
    return std::pair(dim, region.offset / shape.strides[dim]);
  }

  void find_parts(const Node& last) {
    const Geometry& shape = value(last.results[0]).shape;
    Parts found;
    const Node* node = &last;
    for (; node->op == Op::update_; node = &producer(std::get<Access>(node->operands[0]).value)) {
      const auto place = place_of(node->region, shape);
      const bool fits = place && (found.dim < 0 || found.dim == place->first) && found.parts.size() < kMostParts;
      const ValueId base = std::get<Access>(node->operands[0]).value;
      if (!fits || readers_[base] != 1 || value(base).producer < 0) return;
      found.dim = place->first;
      found.parts.push_back({place->second, node->region.sizes[place->first], node->operands[1]});
    }
    if (node->op != Op::empty_ || !covers(found, shape)) return;
    parts_[last.results[0]] = std::move(found);
  }

  static bool covers(Parts& found, const Geometry& shape) {
    std::sort(found.parts.begin(), found.parts.end(), [](const Part& a, const Part& b) { return a.start < b.start; });
    int64_t next = 0;
    for (const Part& part : found.parts) {
      const bool short_run = shape.strides[found.dim] == 1 && part.size < kShortestRun;
      if (part.start != next || part.size == 0 || short_run) return false;
      next += part.size;
    }
    return found.parts.size() > 1 && next == shape.sizes[found.dim];
  }

  const Node& producer(ValueId id) const { return graph_.nodes[value(id).producer]; }

  // Taking a node apart

  bool reads_whole(const Access& access) const {
    const Geometry& shape = value(access.value).shape;
    if (access.geometry.sizes != shape.sizes || access.geometry.offset != 0) return false;
    for (size_t d = 0; d < shape.sizes.size(); ++d)
      if (shape.sizes[d] > 1 && access.geometry.strides[d] != shape.strides[d]) return false;
    return true;
  }

  std::optional<Parts> parts_to_take(const Node& node) const {
    if (info(node.op).cls != OpClass::Elementwise) return std::nullopt;
    for (const Operand& operand : node.operands) {
      auto* access = std::get_if<Access>(&operand);
      if (access && parts_[access->value] && readers_[access->value] == 1 && reads_whole(*access))
        return parts_[access->value];
    }
    return std::nullopt;
  }

  void distribute(const Node& node, const Parts& parts) {
    const ValueId result = node.results[0];
    const Geometry shape = value(result).shape;
    const DType dtype = value(result).dtype;
    Parts made{parts.dim, {}};
    for (const Part& part : parts.parts)
      made.parts.push_back({part.start, part.size, Access(graph_.whole(part_of(node, parts, part, 0)))});

    Node empty;
    empty.op = Op::empty_;
    empty.origin = node.origin;
    ValueId whole = append(std::move(empty), dtype, shape);
    for (const Part& part : made.parts) {
      Node update;
      update.op = Op::update_;
      update.operands = {graph_.whole(whole), part.written};
      update.region = narrowed(shape, parts.dim, part.start, part.size);
      update.origin = node.origin;
      if (&part == &made.parts.back()) {
        update.results = {result};
        graph_.append(std::move(update));
      } else {
        whole = append(std::move(update), dtype, shape);
      }
    }
    parts_[result] = std::move(made);
  }

  /// Appends what `node` computes in one part of its domain.
  ValueId part_of(const Node& original, const Parts& parts, const Part& part, int depth) {
    Node node = original;
    for (Operand& operand : node.operands)
      if (auto* access = std::get_if<Access>(&operand)) operand = operand_part(*access, parts, part, depth);
    const Geometry& shape = value(original.results[0]).shape;
    return append(std::move(node), value(original.results[0]).dtype, dense_part(shape, parts.dim, part.size));
  }

  Operand operand_part(const Access& access, const Parts& parts, const Part& part, int depth) {
    const bool alone = readers_[access.value] == 1 && reads_whole(access);
    if (alone && parts_[access.value] && parts_[access.value]->dim == parts.dim)
      for (const Part& other : parts_[access.value]->parts)
        if (other.start == part.start && other.size == part.size) return other.written;
    const NodeId made_by = value(access.value).producer;
    if (alone && made_by >= 0 && depth < kDeepest && info(graph_.nodes[made_by].op).cls == OpClass::Elementwise)
      return graph_.whole(part_of(Node(graph_.nodes[made_by]), parts, part, depth + 1));
    return Access{access.value, narrowed(access.geometry, parts.dim, part.start, part.size)};
  }

  /// A dense geometry of a part that has its dims in the order of `shape`.
  static Geometry dense_part(const Geometry& shape, int dim, int64_t size) {
    Geometry part{0, shape.sizes, shape.strides};
    part.sizes[dim] = size;
    std::vector<size_t> order(shape.sizes.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return shape.strides[a] < shape.strides[b]; });
    int64_t stride = 1;
    for (size_t d : order) {
      part.strides[d] = stride;
      stride *= std::max<int64_t>(part.sizes[d], 1);
    }
    return part;
  }

  ValueId append(Node node, DType dtype, const Geometry& shape) {
    readers_.push_back(1);
    parts_.emplace_back();
    node.results.clear();
    return graph_.append(std::move(node), dtype, shape);
  }

  Graph& graph_;
  std::vector<int> readers_;                 // by value
  std::vector<std::optional<Parts>> parts_;  // by value
  bool changed_ = false;
};

}  // namespace

bool distribute_parts(Graph& graph) { return Distributor(graph).run(); }

}  // namespace braze
