// Walks from a node to what it reads and on to what that reads, copying while it is cheap.
#include "schedule/copy_producers.h"

#include <algorithm>

#include "schedule/align.h"
#include "schedule/join_groups.h"
#include "schedule/merge.h"

namespace braze {
namespace {

constexpr int64_t kCopyRatio = 8;  // a value that takes a load is made again in readers at least this much larger
constexpr int kMostRounds = 3;     // producers of producers

class Copying {
 public:
  Copying(GroupTable& table, int c) : table_(table), graph_(table.graph()), c_(c), consumer_(table.group(c)) {}

  void run() {
    if (consumer_.has_product() || consumer_.stands_alone()) return;
    std::vector<NodeId> readers = {c_};
    for (int round = 0; round < kMostRounds && !readers.empty(); ++round) {
      const std::vector<ValueId> wanted = cheap_reads(readers);
      readers.clear();
      for (ValueId value : wanted) {
        copy(value);
        readers.push_back(table_.producer_node(value));
      }
    }
  }

 private:
  std::vector<ValueId> cheap_reads(const std::vector<NodeId>& readers) {
    std::vector<ValueId> found;
    for (const Member& member : consumer_.members) {
      if (std::find(readers.begin(), readers.end(), member.node) == readers.end()) continue;
      for (const Source& source : member.sources) {
        const bool from_memory =
            source.value >= 0 && !source.table && !source.copied && table_.producer_group(source.value) != c_;
        if (from_memory && is_cheap(source.value) && std::find(found.begin(), found.end(), source.value) == found.end())
          found.push_back(source.value);
      }
    }
    return found;
  }

  bool is_cheap(ValueId value) {
    const NodeId n = table_.producer_node(value);
    if (n < 0 || makes_nothing(graph_, graph_.nodes[n])) return false;
    const Node& node = graph_.nodes[n];
    const OpInfo& op = info(node.op);
    if (op.cls == OpClass::Index) return true;
    if (op.cls != OpClass::Elementwise || op.has(Costly)) return false;
    int loads = 0;
    for (const Operand& operand : node.operands) {
      auto* access = std::get_if<Access>(&operand);
      if (!access) continue;
      if (!can_be_stored(access->value)) return false;
      const NodeId from = table_.producer_node(access->value);
      loads += from < 0 || graph_.nodes[from].op != Op::index_;
    }
    return loads == 0 || (loads == 1 && graph_.value(value).length * kCopyRatio <= points());
  }

  int64_t points() const {
    int64_t count = 1;
    for (const GroupDim& dim : consumer_.dims) count *= dim.extent;
    return count;
  }

  /// False for what a broadcast has made its group compute at more points than it has elements.
  bool can_be_stored(ValueId value) {
    const int g = table_.producer_group(value);
    if (g < 0 || table_.group(g).library_call >= 0) return true;
    const std::vector<int64_t>& strides = table_.original(value).result.strides;
    bool moves_reduced = false, rests_reduced = false;
    for (size_t d = 0; d < strides.size(); ++d) {
      const bool reduced = table_.group(g).dims[d].reduced;
      if (strides[d] == 0 && !reduced) return false;
      (strides[d] == 0 ? rests_reduced : moves_reduced) |= reduced;
    }
    return !(moves_reduced && rests_reduced);
  }

  void copy(ValueId value) {
    if (consumer_.members.size() >= kMostMembers) return;
    FusionGroup made = group_of(graph_, table_.producer_node(value));
    Member& member = made.members[0];
    member.copied = true;
    std::vector<Source*> reads;
    std::vector<MapPair> links;
    for (Member& reader : consumer_.members)
      for (Source& source : reader.sources) {
        if (source.value != value || source.table || source.copied) continue;
        reads.push_back(&source);
        links.push_back({&member.result, &source.map});
      }
    const auto alignment = align(made, consumer_, links, {});
    if (!alignment) return;
    for (Source* source : reads) source->copied = true;
    for (const Source& source : member.sources)
      if (source.value >= 0) table_.add_reader(source.value, c_);
    merge(made, consumer_, *alignment);
  }

  GroupTable& table_;
  const Graph& graph_;
  int c_;
  FusionGroup& consumer_;
};

}  // namespace

void copy_cheap_producers(GroupTable& table, int c) { Copying(table, c).run(); }

}  // namespace braze
