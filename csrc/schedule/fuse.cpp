// The greedy scan. A node starts as a group of its own, then takes in the groups that produce what it reads, the latest first, as long
// as the dims align, nothing outside lies between the two, nothing costly is computed more often, and the kernel stays small.
#include "schedule/fuse.h"

#include <algorithm>
#include <memory>
#include <queue>

#include "graph/geometry.h"
#include "schedule/align.h"
#include "schedule/group_order.h"
#include "schedule/merge.h"
#include "support/error.h"

namespace braze {
namespace {

constexpr size_t kMostMembers = 160;
constexpr size_t kMostParams = 24;
constexpr size_t kMostRecomputed = 4;   // members of a group that a broadcast may compute again at each point
constexpr size_t kMostPerRow = 12;      // ... or again for each row of at least so many elements:
constexpr int64_t kLongRow = 32;
constexpr int64_t kCopyRatio = 8;       // a cheap value is made again in a reader at least this much larger
constexpr size_t kMostVisited = 512;       // groups looked at in search of a path between two

bool makes_nothing(const Graph& graph, const Node& node) {
  if (node.op == Op::empty_) return true;
  if (node.op == Op::update_) return node.region.numel() == 0;
  return node.op != Op::extern_ && graph.value(node.results[0]).shape.numel() == 0;
}

/// Marks for a set of small numbers, cleared in one step.
class Marks {
 public:
  explicit Marks(size_t count) : seen_(count, 0) {}
  void clear() { ++round_; }
  bool insert(size_t i) {
    if (seen_[i] == round_) return false;
    seen_[i] = round_;
    return true;
  }

 private:
  std::vector<uint32_t> seen_;
  uint32_t round_ = 0;
};

class Fuser {
 public:
  explicit Fuser(const Graph& graph)
      : graph_(graph),
        groups_(graph.nodes.size()),
        root_(graph.nodes.size()),
        order_(graph.nodes.size()),
        readers_(graph.values.size()),
        kept_(graph.values.size(), 0),
        value_marks_(graph.values.size()),
        group_marks_(graph.nodes.size()) {
    for (size_t n = 0; n < graph.nodes.size(); ++n) {
      root_[n] = static_cast<int>(n);
      for (const Operand& operand : graph.nodes[n].operands)
        if (auto* access = std::get_if<Access>(&operand)) readers_[access->value].push_back(static_cast<NodeId>(n));
    }
    for (ValueId id : graph.outputs) kept_[id] = 1;
    for (const Mutation& mutation : graph.mutations) kept_[mutation.value] = 1;
  }

  std::vector<FusionGroup> run() {
    NodeId last_call = -1;
    for (NodeId n = 0; n < static_cast<NodeId>(graph_.nodes.size()); ++n) {
      const Node& node = graph_.nodes[n];
      if (makes_nothing(graph_, node)) continue;
      groups_[n] = std::make_unique<FusionGroup>();
      order_.append(n);
      if (node.op == Op::extern_) {
        groups_[n]->library_call = n;
        if (last_call >= 0) groups_[n]->after.push_back(last_call);
        last_call = n;
        continue;
      }
      *groups_[n] = group_of(graph_, n);
      join_producers(n);
      copy_cheap_producers(n);
    }
    return in_order();
  }

 private:
  int root(NodeId n) {
    while (root_[n] != n) n = root_[n] = root_[root_[n]];
    return n;
  }

  FusionGroup* group(int id) { return groups_[id].get(); }

  NodeId producer_node(ValueId value) const { return graph_.value(value).producer; }

  /// The group that makes a value, or -1 for inputs and for what no group makes.
  int producer_group(ValueId value) {
    const NodeId n = producer_node(value);
    if (n < 0) return -1;
    const int id = root(n);
    return groups_[id] ? id : -1;
  }

  // Joining

  void join_producers(NodeId n) {
    std::vector<int> producers;
    for (const Operand& operand : graph_.nodes[n].operands)
      if (auto* access = std::get_if<Access>(&operand))
        if (const int p = producer_group(access->value); p >= 0 && group(p)->library_call < 0) producers.push_back(p);
    std::sort(producers.begin(), producers.end(), [&](int a, int b) { return group(a)->last_node() > group(b)->last_node(); });
    producers.erase(std::unique(producers.begin(), producers.end()), producers.end());
    for (int p : producers) {
      if (!try_join(p, n)) continue;
      root_[p] = n;
      groups_[p].reset();
    }
  }

  bool try_join(int p, int c) {
    FusionGroup &producer = *group(p), &consumer = *group(c);
    if (producer.members.size() + consumer.members.size() > kMostMembers) return false;
    std::vector<MapPair> links;
    if (!collect_links(producer, p, consumer, links)) return false;
    AddressMap regions[2];
    if (links.empty() && !link_regions(producer, consumer, regions, links)) return false;
    if (!writes_apart(p, consumer)) return false;
    const auto alignment = align(producer, consumer, links, common_reads(producer, p, consumer));
    if (!alignment) return false;
    if (alignment->broadcasts && !alignment->only_reduced_added && !may_recompute(producer, p, c, alignment->added_row)) return false;
    if (params_together(p, c) > kMostParams) return false;
    std::vector<int> between;
    if (path_outside(p, c, between) || !merge(producer, consumer, *alignment)) return false;
    order_.move_before(between, p);
    order_.replace(p, c);
    return true;
  }

  /// The reads of `consumer` that the members of `producer` (group `p`) satisfy; false when one of them must go through memory.
  bool collect_links(const FusionGroup& producer, int p, const FusionGroup& consumer, std::vector<MapPair>& links) {
    for (const Member& member : consumer.members) {
      for (const Source& source : member.sources) {
        if (source.value < 0 || source.copied || producer_group(source.value) != p) continue;
        const Member* made = original(producer, source.value);
        if (source.table || made->op == Op::update_) return false;
        links.push_back({&made->result, &source.map});
      }
    }
    return true;
  }

  /// Two groups that fill parts of one buffer and read nothing of one another can share a loop when the parts are alike: the parts of a
  /// concatenation.
  bool link_regions(const FusionGroup& producer, const FusionGroup& consumer, AddressMap (&regions)[2], std::vector<MapPair>& links) {
    const Member& last = consumer.members.back();
    if (last.op != Op::update_ || producer.has_reduced_dims() || consumer.has_reduced_dims()) return false;
    const ValueId base = base_of(graph_.nodes[last.node]);
    for (const Member& member : producer.members) {
      if (member.op != Op::update_ || member.value != base) continue;
      regions[0].strides = member.result.strides;
      regions[1].strides = last.result.strides;
      links = {{&regions[0], &regions[1]}};
    }
    return !links.empty();
  }

  static const Member* original(const FusionGroup& group, ValueId value) {
    for (const Member& member : group.members)
      if (member.value == value && !member.copied) return &member;
    throw Error(Error::Kind::Internal, "a value is not made in its group");
  }

  /// False when an update of `consumer` goes on from a buffer made in group `p`, unless by an update too, both write places apart and
  /// nobody else sees the version between.
  bool writes_apart(int p, const FusionGroup& consumer) {
    for (const Member& member : consumer.members) {
      if (member.op != Op::update_) continue;
      const Node& last = graph_.nodes[member.node];
      for (ValueId base = base_of(last); producer_group(base) == p; base = base_of(graph_.nodes[producer_node(base)])) {
        const Node& earlier = graph_.nodes[producer_node(base)];
        if (earlier.op != Op::update_ || kept_[base] || readers_[base].size() != 1 || !are_disjoint(earlier.region, last.region)) return false;
      }
    }
    return true;
  }

  static ValueId base_of(const Node& update) { return std::get<Access>(update.operands[0]).value; }

  /// Pairs of reads of one value from memory, the largest producer reads first.
  std::vector<MapPair> common_reads(const FusionGroup& producer, int p, const FusionGroup& consumer) {
    std::vector<MapPair> pairs;
    if (!producer.has_reduced_dims()) return pairs;
    for (const Member& member : consumer.members)
      for (const Source& read : member.sources) {
        if (read.value < 0 || read.table || producer_group(read.value) == p) continue;
        for (const Member& made : producer.members)
          for (const Source& also : made.sources)
            if (also.value == read.value && !also.table && pairs.size() < 8) pairs.push_back({&also.map, &read.map});
      }
    return pairs;
  }

  /// True when nobody but the two groups sees what `producer` makes and making it at more points costs little.
  bool may_recompute(const FusionGroup& producer, int p, int c, int64_t row) {
    if (producer.members.size() > (row >= kLongRow ? kMostPerRow : kMostRecomputed)) return false;
    for (const Member& member : producer.members) {
      if (info(member.op).has(Costly) || member.is_reduction() || member.op == Op::update_ || kept_[member.value]) return false;
      if (member.copied) continue;
      for (NodeId reader : readers_[member.value])
        if (const int r = root(reader); r != p && r != c) return false;
    }
    return true;
  }

  /// An upper bound of the buffers a kernel of both groups touches.
  size_t params_together(int p, int c) {
    value_marks_.clear();
    size_t count = 0;
    for (int id : {p, c}) {
      for (const Member& member : group(id)->members) {
        for (const Source& source : member.sources) {
          if (source.value < 0) continue;
          const int from = producer_group(source.value);
          if ((source.table || (from != p && from != c)) && value_marks_.insert(source.value)) ++count;
        }
        if (!member.copied && is_seen_outside(member, p, c)) ++count;
      }
    }
    return count;
  }

  bool is_seen_outside(const Member& member, int p, int c) {
    if (kept_[member.value] || member.op == Op::update_) return true;
    for (NodeId reader : readers_[member.value])
      if (const int r = root(reader); r != p && r != c) return true;
    return false;
  }

  // Order

  template <typename Visit>
  void each_predecessor(int id, Visit visit) {
    FusionGroup& g = *group(id);
    for (const Member& member : g.members)
      for (const Source& source : member.sources)
        if (source.value >= 0 && !source.copied)
          if (const int from = producer_group(source.value); from >= 0 && from != id) visit(from);
    for (NodeId n : g.after)
      if (const int from = root(n); groups_[from] && from != id) visit(from);
    if (g.library_call < 0) return;
    for (const Operand& operand : graph_.nodes[g.library_call].operands)
      if (auto* access = std::get_if<Access>(&operand))
        if (const int from = producer_group(access->value); from >= 0) visit(from);
  }

  /// True when a group outside lies on a path from `p` to `c`, or when the search grows too long. Otherwise `between` receives the
  /// groups that `c` needs and that come after `p` now.
  bool path_outside(int p, int c, std::vector<int>& between) {
    group_marks_.clear();
    group_marks_.insert(p);
    group_marks_.insert(c);
    bool found = false;
    auto visit_from = [&](int id) {
      each_predecessor(id, [&](int from) {
        found = found || (from == p && id != c);
        if (order_.is_before(p, from) && group_marks_.insert(from)) between.push_back(from);
      });
    };
    visit_from(c);
    for (size_t visited = 0; !found && visited < between.size(); ++visited) {
      if (visited == kMostVisited) return true;
      visit_from(between[visited]);
    }
    return found;
  }

  // Copies

  /// Makes values again that cost less to make than to load: positions, constants, one cheap op on something small.
  void copy_cheap_producers(int c) {
    std::vector<NodeId> fresh = {c};
    for (size_t round = 0; round < 3; ++round) {
      std::vector<ValueId> wanted;
      value_marks_.clear();
      for (const Member& member : group(c)->members)
        for (const Source& source : member.sources)
          if (std::find(fresh.begin(), fresh.end(), member.node) != fresh.end() && source.value >= 0 && !source.table && !source.copied && producer_group(source.value) != c && value_marks_.insert(source.value) &&
              is_cheap_to_copy(source.value, c))
            wanted.push_back(source.value);
      if (wanted.empty()) return;
      fresh.clear();
      for (ValueId value : wanted) {
        copy_producer(value, c);
        fresh.push_back(producer_node(value));
      }
    }
  }

  bool is_cheap_to_copy(ValueId value, int c) {
    const NodeId n = producer_node(value);
    if (n < 0 || makes_nothing(graph_, graph_.nodes[n])) return false;
    const Node& node = graph_.nodes[n];
    const OpInfo& op = info(node.op);
    if (op.cls == OpClass::Index) return true;
    if (op.cls != OpClass::Elementwise || op.has(Costly)) return false;
    int reads = 0;
    bool free = true;
    for (const Operand& operand : node.operands) {
      auto* access = std::get_if<Access>(&operand);
      if (!access) continue;
      ++reads;
      if (!can_be_stored(access->value)) return false;
      const NodeId from = producer_node(access->value);
      free = free && from >= 0 && graph_.nodes[from].op == Op::index_;
    }
    if (free) return true;
    int64_t points = 1;
    for (const GroupDim& dim : group(c)->dims) points *= dim.extent;
    return reads <= 1 && graph_.value(value).length * kCopyRatio <= points;
  }

  /// False for what a broadcast has made its group compute at more points than it has elements.
  bool can_be_stored(ValueId value) {
    const int g = producer_group(value);
    if (g < 0 || group(g)->library_call >= 0) return true;
    const std::vector<int64_t>& strides = original(*group(g), value)->result.strides;
    bool moves_reduced = false, rests_reduced = false;
    for (size_t d = 0; d < strides.size(); ++d) {
      const bool reduced = group(g)->dims[d].reduced;
      if (strides[d] == 0 && !reduced) return false;
      (strides[d] == 0 ? rests_reduced : moves_reduced) |= reduced;
    }
    return !(moves_reduced && rests_reduced);
  }

  void copy_producer(ValueId value, int c) {
    FusionGroup copy = group_of(graph_, producer_node(value));
    copy.members[0].copied = true;
    std::vector<MapPair> links;
    FusionGroup& consumer = *group(c);
    auto each_read = [&](auto visit) {
      for (Member& member : consumer.members)
        for (Source& source : member.sources)
          if (source.value == value && !source.table && !source.copied) visit(source);
    };
    each_read([&](Source& source) { links.push_back({&copy.members[0].result, &source.map}); });
    if (consumer.members.size() >= kMostMembers) return;
    const auto alignment = align(copy, consumer, links, {});
    if (!alignment) return;
    each_read([](Source& source) { source.copied = true; });
    for (const Source& source : copy.members[0].sources)
      if (source.value >= 0) readers_[source.value].push_back(c);
    merge(copy, consumer, *alignment);
  }

  // The result

  std::vector<FusionGroup> in_order() {
    std::vector<int> waiting(groups_.size(), 0);
    std::vector<std::vector<int>> followers(groups_.size());
    std::priority_queue<std::pair<NodeId, int>, std::vector<std::pair<NodeId, int>>, std::greater<>> ready;
    size_t left = 0;
    for (size_t id = 0; id < groups_.size(); ++id) {
      if (!groups_[id]) continue;
      ++left;
      group_marks_.clear();
      each_predecessor(static_cast<int>(id), [&](int from) {
        if (!group_marks_.insert(from)) return;
        followers[from].push_back(static_cast<int>(id));
        ++waiting[id];
      });
      if (waiting[id] == 0) ready.push({groups_[id]->last_node(), static_cast<int>(id)});
    }
    std::vector<FusionGroup> ordered;
    for (; !ready.empty(); --left) {
      const int id = ready.top().second;
      ready.pop();
      for (int follower : followers[id])
        if (--waiting[follower] == 0) ready.push({groups_[follower]->last_node(), follower});
      ordered.push_back(std::move(*groups_[id]));
    }
    check_internal(left == 0, "fusion groups that wait for one another");
    return ordered;
  }

  const Graph& graph_;
  std::vector<std::unique_ptr<FusionGroup>> groups_;  // by the node that names the group
  std::vector<int> root_;                             // node -> a node nearer to the one that names its group
  GroupOrder order_;                                  // of the groups so far; no group comes before one it needs
  std::vector<std::vector<NodeId>> readers_;
  std::vector<char> kept_;  // values that someone sees after the last node
  Marks value_marks_, group_marks_;
};

}  // namespace

std::vector<FusionGroup> fuse(const Graph& graph) { return Fuser(graph).run(); }

}  // namespace braze
