// The fusion groups of a graph while they are being formed: who makes a value, who reads it, what must run before what.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "schedule/fusion_group.h"
#include "schedule/group_order.h"

namespace braze {

/// True for nodes that no kernel and no library call runs for: unwritten memory, empty results, updates of nothing.
bool makes_nothing(const Graph& graph, const Node& node);

/// The buffer an update writes into.
ValueId base_of(const Node& update);

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

class GroupTable {
 public:
  explicit GroupTable(const Graph& graph);

  const Graph& graph() const { return graph_; }
  FusionGroup& group(int id) { return *groups_[id]; }
  bool exists(int id) const { return groups_[id] != nullptr; }
  /// Adds the group of a node, which names it, after all others.
  void add(NodeId node, FusionGroup group);
  /// The name of the group a node is in.
  int group_with(NodeId node);
  NodeId producer_node(ValueId value) const { return graph_.value(value).producer; }
  /// The group that makes a value, or -1 for inputs and for what no group makes.
  int producer_group(ValueId value);
  /// The member that makes `value` in the group it belongs to.
  const Member& original(ValueId value);

  /// True when someone sees the value after the last node.
  bool is_kept(ValueId value) const { return kept_[value]; }
  const std::vector<NodeId>& readers(ValueId value) const { return readers_[value]; }
  void add_reader(ValueId value, NodeId reader) { readers_[value].push_back(reader); }
  /// True when a node outside groups `a` and `b` needs what the member makes.
  bool is_seen_outside(const Member& member, int a, int b);

  /// Calls `visit` with each group that must run before group `id`, some more than once.
  template <typename Visit>
  void each_predecessor(int id, Visit visit);
  /// True when a group outside lies on a path from `p` to `c`, or when the search grows too long. Otherwise `between`
  /// receives the groups that `c` needs and that come after `p` now.
  bool path_outside(int p, int c, std::vector<int>& between);
  /// Group `p` has become part of group `c`.
  void joined(int p, int c, std::vector<int> between);

  /// All groups in a running order that follows the nodes' where it can. The table is empty afterwards.
  std::vector<FusionGroup> take_in_order();

 private:
  const Graph& graph_;
  std::vector<std::unique_ptr<FusionGroup>> groups_;  // by the node that names the group
  std::vector<int> root_;                             // node -> a node nearer to the one that names its group
  GroupOrder order_;                                  // of the groups so far; no group comes before one it needs
  std::vector<std::vector<NodeId>> readers_;
  std::vector<char> kept_;
  Marks marks_;
};

template <typename Visit>
void GroupTable::each_predecessor(int id, Visit visit) {
  auto visit_producer = [&](ValueId value) {
    if (const int from = producer_group(value); from >= 0 && from != id) visit(from);
  };
  const FusionGroup& g = group(id);
  for (const Member& member : g.members)
    for (const Source& source : member.sources)
      if (source.value >= 0 && !source.copied) visit_producer(source.value);
  for (NodeId node : g.after)
    if (const int from = group_with(node); exists(from) && from != id) visit(from);
  if (g.library_call < 0) return;
  for (const Operand& operand : graph_.nodes[g.library_call].operands)
    if (auto* access = std::get_if<Access>(&operand)) visit_producer(access->value);
}

}  // namespace braze
