// Groups by name, their readers, the search for paths between them, and their final order.
#include "schedule/group_table.h"

#include <algorithm>
#include <queue>

#include "support/error.h"

namespace braze {
namespace {

constexpr size_t kMostVisited = 512;  // groups looked at in search of a path between two

}  // namespace

bool makes_nothing(const Graph& graph, const Node& node) {
  if (node.op == Op::empty_) return true;
  if (node.op == Op::update_) return node.region.numel() == 0;
  return node.op != Op::extern_ && graph.value(node.results[0]).shape.numel() == 0;
}

ValueId base_of(const Node& update) { return std::get<Access>(update.operands[0]).value; }

GroupTable::GroupTable(const Graph& graph)
    : graph_(graph),
      groups_(graph.nodes.size()),
      root_(graph.nodes.size()),
      order_(graph.nodes.size()),
      readers_(graph.values.size()),
      kept_(graph.values.size(), 0),
      marks_(graph.nodes.size()) {
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    root_[n] = static_cast<int>(n);
    for (const Operand& operand : graph.nodes[n].operands)
      if (auto* access = std::get_if<Access>(&operand)) readers_[access->value].push_back(static_cast<NodeId>(n));
  }
  for (ValueId id : graph.outputs) kept_[id] = 1;
  for (const Mutation& mutation : graph.mutations) kept_[mutation.value] = 1;
}

void GroupTable::add(NodeId node, FusionGroup group) {
  groups_[node] = std::make_unique<FusionGroup>(std::move(group));
  order_.append(node);
}

int GroupTable::group_with(NodeId node) {
  while (root_[node] != node) node = root_[node] = root_[root_[node]];
  return node;
}

int GroupTable::producer_group(ValueId value) {
  const NodeId node = producer_node(value);
  if (node < 0) return -1;
  const int id = group_with(node);
  return exists(id) ? id : -1;
}

const Member& GroupTable::original(ValueId value) {
  const std::vector<Member>& members = group(producer_group(value)).members;
  for (size_t m = members.size(); m-- > 0;)  // mostly one of the last
    if (members[m].value == value && !members[m].copied) return members[m];
  throw Error(Error::Kind::Internal, "a value is not made in its group");
}

bool GroupTable::is_seen_outside(const Member& member, int a, int b) {
  if (kept_[member.value] || member.op == Op::update_) return true;
  return std::any_of(readers_[member.value].begin(), readers_[member.value].end(), [&](NodeId reader) {
    const int g = group_with(reader);
    return g != a && g != b;
  });
}

bool GroupTable::path_outside(int p, int c, std::vector<int>& between) {
  marks_.clear();
  marks_.insert(p);
  marks_.insert(c);
  bool found = false;
  auto visit_from = [&](int id) {
    each_predecessor(id, [&](int from) {
      found = found || (from == p && id != c);
      if (order_.is_before(p, from) && marks_.insert(from)) between.push_back(from);
    });
  };
  visit_from(c);
  for (size_t visited = 0; !found && visited < between.size(); ++visited) {
    if (visited == kMostVisited) return true;
    visit_from(between[visited]);
  }
  return found;
}

void GroupTable::joined(int p, int c, std::vector<int> between) {
  order_.move_before(std::move(between), p);
  order_.replace(p, c);
  root_[p] = c;
  groups_[p].reset();
}

std::vector<FusionGroup> GroupTable::take_in_order() {
  using Ready = std::pair<NodeId, int>;
  std::priority_queue<Ready, std::vector<Ready>, std::greater<>> ready;
  std::vector<int> waiting(groups_.size(), 0);
  std::vector<std::vector<int>> followers(groups_.size());
  size_t left = 0;
  for (int id = 0; id < static_cast<int>(groups_.size()); ++id) {
    if (!exists(id)) continue;
    ++left;
    marks_.clear();
    each_predecessor(id, [&](int from) {
      if (!marks_.insert(from)) return;
      followers[from].push_back(id);
      ++waiting[id];
    });
    if (waiting[id] == 0) ready.push({group(id).last_node(), id});
  }
  std::vector<FusionGroup> ordered;
  for (; !ready.empty(); --left) {
    const int id = ready.top().second;
    ready.pop();
    for (int follower : followers[id])
      if (--waiting[follower] == 0) ready.push({group(follower).last_node(), follower});
    ordered.push_back(std::move(*groups_[id]));
    groups_[id].reset();
  }
  check_internal(left == 0, "fusion groups that wait for one another");
  return ordered;
}

}  // namespace braze
