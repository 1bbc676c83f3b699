// The greedy scan: a node starts as a group of its own, then joins the groups that make what it reads.
#include "schedule/fuse.h"

#include <algorithm>

#include "schedule/copy_producers.h"
#include "schedule/group_table.h"
#include "schedule/join_groups.h"

namespace braze {
namespace {

/// The groups whose results a node reads, the latest first: what lies between an earlier one and the node has joined it
/// by then.
std::vector<int> producers_of(GroupTable& table, const Node& node) {
  std::vector<int> producers;
  for (const Operand& operand : node.operands)
    if (auto* access = std::get_if<Access>(&operand))
      if (const int p = table.producer_group(access->value); p >= 0 && table.group(p).library_call < 0)
        producers.push_back(p);
  std::sort(producers.begin(), producers.end(),
            [&](int a, int b) { return table.group(a).last_node() > table.group(b).last_node(); });
  producers.erase(std::unique(producers.begin(), producers.end()), producers.end());
  return producers;
}

FusionGroup call_group(NodeId node, NodeId call_before) {
  FusionGroup group;
  group.library_call = node;
  if (call_before >= 0) group.after = {call_before};
  return group;
}

}  // namespace

std::vector<FusionGroup> fuse(const Graph& graph) {
  GroupTable table(graph);
  NodeId last_call = -1;
  for (NodeId n = 0; n < static_cast<NodeId>(graph.nodes.size()); ++n) {
    const Node& node = graph.nodes[n];
    if (makes_nothing(graph, node)) continue;
    if (node.op == Op::extern_) {
      table.add(n, call_group(n, last_call));
      last_call = n;
      continue;
    }
    table.add(n, group_of(graph, n));
    for (int p : producers_of(table, node)) join(table, p, n);
    copy_cheap_producers(table, n);
  }
  return table.take_in_order();
}

}  // namespace braze
