// Chooses chunks by sizes alone and writes the two reductions.
#include "schedule/split_reductions.h"

#include <algorithm>
#include <optional>
#include "graph/size_division.h"

namespace braze {
namespace {

constexpr int64_t kSmall = 64 * 1024;   // elements not worth a second kernel
constexpr int64_t kEnoughRows = 16;     // rows that are work enough by themselves; splitting them costs memory traffic
constexpr int64_t kEnoughColumns = 64;  // the same for columns, which are slow to walk when long
constexpr int64_t kColumnsTogether = 16;      // neighbouring columns are one piece of work
constexpr int64_t kLeastRowChunk = 4 * 1024;  // elements of a row in a chunk
constexpr int64_t kMostRowChunk = 16 * 1024;
constexpr int64_t kFewestColumnRows = 64;  // elements of a column in a chunk
constexpr int64_t kRowPieces = 64;         // pieces of work wanted from rows
constexpr int64_t kColumnPieces = 256;     // pieces of work wanted from columns

/// The divisor of `n` that is closest to `wanted` as a ratio.
int64_t near_divisor(int64_t n, int64_t wanted) {
  int64_t best = 1;
  auto ratio = [&](int64_t d) { return d > wanted ? d / wanted : wanted / d; };
  for (int64_t d = 1; d * d <= n; ++d) {
    if (n % d != 0) continue;
    for (int64_t divisor : {d, n / d})
      if (ratio(divisor) < ratio(best) || (ratio(divisor) == ratio(best) && divisor > best)) best = divisor;
  }
  return best;
}

class Splitter {
 public:
  Splitter(const Graph& graph, const Node& node) : graph_(graph), node_(node) {}

  /// The part of each dim that a chunk covers; nothing when the reduction is fine as it is.
  std::optional<std::vector<int64_t>> chunk() const {
    if (info(node_.op).cls != OpClass::Reduce || node_.op == Op::argmin_ || node_.op == Op::argmax_ ||
        node_.op == Op::dot_ || is_attention(node_.op) || is_recurrence(node_.op))
      return std::nullopt;
    const Geometry& domain = geometry();
    const int64_t elements = domain.numel(), kept = graph_.value(node_.results[0]).shape.numel();
    if (elements < kSmall || kept == 0) return std::nullopt;
    const int64_t reduced = elements / kept;
    const int64_t rows = columns() ? std::max<int64_t>(kept / kColumnsTogether, 1) : kept;
    if (rows >= (columns() ? kEnoughColumns : kEnoughRows)) return std::nullopt;
    const int64_t wanted = columns() ? std::max(kFewestColumnRows, reduced * rows / kColumnPieces)
                                     : std::clamp(elements / kRowPieces, kLeastRowChunk, kMostRowChunk);
    std::vector<int> order = node_.reduce_dims;
    std::sort(order.begin(), order.end(), [&](int a, int b) { return domain.strides[a] < domain.strides[b]; });
    std::vector<int64_t> inner(domain.sizes.size(), 1);
    int64_t covered = 1;
    for (int d : order) {
      inner[d] = covered * domain.sizes[d] <= wanted
                     ? domain.sizes[d]
                     : near_divisor(domain.sizes[d], std::max<int64_t>(wanted / covered, 1));
      covered *= inner[d];
      if (inner[d] != domain.sizes[d]) break;
    }
    const bool worth = covered * 2 <= reduced && covered >= 32 && covered <= wanted * 16;
    return worth ? std::optional(inner) : std::nullopt;
  }

  /// Appends the two halves to `nodes`.
  void split(Graph& graph, const std::vector<int64_t>& inner, std::vector<Node>& nodes) const {
    const Geometry domain = geometry();
    std::vector<char> is_reduced(domain.sizes.size());
    for (int d : node_.reduce_dims) is_reduced[d] = 1;

    Access first = std::get<Access>(node_.operands[0]);
    first.geometry.sizes.clear();
    first.geometry.strides.clear();
    Node chunks = node_;
    chunks.reduce_dims.clear();
    std::vector<int64_t> partial_sizes, second_sizes;
    std::vector<int> kept_dims, chunk_dims;  // dims of the partial results
    auto add = [&](int64_t size, int64_t stride, bool reduce) {
      if (reduce) chunks.reduce_dims.push_back(static_cast<int>(first.geometry.sizes.size()));
      first.geometry.sizes.push_back(size);
      first.geometry.strides.push_back(stride);
      partial_sizes.push_back(reduce ? 1 : size);
    };
    std::vector<int> outer_dim(domain.sizes.size());
    for (size_t d = 0; d < domain.sizes.size(); ++d) {
      outer_dim[d] = static_cast<int>(partial_sizes.size());
      (is_reduced[d] ? chunk_dims : kept_dims).push_back(outer_dim[d]);
      add(quotient_of_sizes(domain.sizes[d], inner[d]), domain.strides[d] * inner[d], false);
      if (is_reduced[d]) add(inner[d], domain.strides[d], true);
      second_sizes.push_back(domain.sizes[d] / inner[d]);
    }
    const Geometry partial = laid_out(partial_sizes, kept_dims, chunk_dims);
    chunks.operands = {first};
    const ValueId made = graph.add_value(graph.value(node_.results[0]).dtype, partial);
    chunks.results = {made};
    nodes.push_back(std::move(chunks));

    Node last = node_;
    Geometry second{0, second_sizes, {}};
    for (int d : outer_dim) second.strides.push_back(partial.strides[d]);
    last.operands = {Access{made, second}};
    nodes.push_back(std::move(last));
  }

 private:
  const Geometry& geometry() const { return std::get<Access>(node_.operands[0]).geometry; }

  /// True when neighbours in memory belong to different results.
  bool columns() const {
    const Geometry& domain = geometry();
    int64_t least[2] = {INT64_MAX, INT64_MAX};
    for (size_t d = 0; d < domain.sizes.size(); ++d) {
      if (domain.sizes[d] == 1 || domain.strides[d] == 0) continue;
      const bool reduced = std::binary_search(node_.reduce_dims.begin(), node_.reduce_dims.end(), static_cast<int>(d));
      least[reduced] = std::min(least[reduced], domain.strides[d]);
    }
    return least[0] < least[1];
  }

  /// Partial results beside their neighbours of the same kind as in memory: columns keep columns innermost.
  Geometry laid_out(const std::vector<int64_t>& sizes, const std::vector<int>& kept,
                    const std::vector<int>& chunks) const {
    Geometry shape{0, sizes, std::vector<int64_t>(sizes.size(), 1)};
    int64_t stride = 1;
    auto lay = [&](const std::vector<int>& dims) {
      for (size_t i = dims.size(); i-- > 0;) {
        shape.strides[dims[i]] = stride;
        stride *= sizes[dims[i]];
      }
    };
    lay(columns() ? kept : chunks);
    lay(columns() ? chunks : kept);
    return shape;
  }

  const Graph& graph_;
  const Node& node_;
};

}  // namespace

bool split_reductions(Graph& graph) {
  std::vector<Node> nodes;
  bool changed = false;
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Splitter splitter(graph, graph.nodes[n]);
    const auto inner = splitter.chunk();
    if (inner && !changed) nodes.assign(graph.nodes.begin(), graph.nodes.begin() + n);
    if (inner)
      splitter.split(graph, *inner, nodes);
    else if (changed)
      nodes.push_back(graph.nodes[n]);
    changed = changed || inner.has_value();
  }
  if (!changed) return false;
  graph.nodes = std::move(nodes);
  for (size_t n = 0; n < graph.nodes.size(); ++n)
    for (ValueId id : graph.nodes[n].results) graph.values[id].producer = static_cast<NodeId>(n);
  return true;
}

}  // namespace braze
