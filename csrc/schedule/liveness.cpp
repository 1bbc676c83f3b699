// One walk over the groups from the last to the first.
#include "schedule/liveness.h"

namespace braze {

Liveness find_live(const Graph& graph, const std::vector<FusionGroup>& groups) {
  Liveness result;
  result.live.resize(groups.size());
  result.in_memory.assign(graph.values.size(), 0);
  for (ValueId id : graph.outputs) result.in_memory[id] = 1;
  for (const Mutation& mutation : graph.mutations) result.in_memory[mutation.value] = 1;
  auto load = [&](const Operand& operand) {
    if (auto* access = std::get_if<Access>(&operand)) result.in_memory[access->value] = 1;
  };
  for (size_t g = groups.size(); g-- > 0;) {
    const FusionGroup& group = groups[g];
    if (group.library_call >= 0)
      for (const Operand& operand : graph.nodes[group.library_call].operands) load(operand);
    std::vector<char>& live = result.live[g];
    live.assign(group.members.size(), 0);
    for (size_t m = group.members.size(); m-- > 0;) {
      const Member& member = group.members[m];
      if (!live[m] && (member.copied || !result.in_memory[member.value])) continue;
      live[m] = 1;
      if (member.op == Op::update_) load(graph.nodes[member.node].operands[0]);
      for (const Source& source : member.sources) {
        if (source.value < 0) continue;
        const int made = source.table ? -1 : group.find(source.value, source.map);
        if (made >= 0)
          live[made] = 1;
        else
          result.in_memory[source.value] = 1;
      }
    }
  }
  return result;
}

}  // namespace braze
