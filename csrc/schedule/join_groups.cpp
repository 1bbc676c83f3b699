// The conditions for joining, cheapest first.
#include "schedule/join_groups.h"

#include <algorithm>

#include "graph/geometry.h"
#include "schedule/align.h"
#include "schedule/merge.h"

namespace braze {
namespace {

constexpr size_t kMostParams = 24;
constexpr size_t kMostRecomputed = 4;  // members of a group that a broadcast may compute again at each point
constexpr size_t kMostPerRow = 12;     // ... or again for each row of at least so many elements:
constexpr int64_t kLongRow = 32;
constexpr size_t kMostHints = 8;

class Joining {
 public:
  Joining(GroupTable& table, int p, int c)
      : table_(table), p_(p), c_(c), producer_(table.group(p)), consumer_(table.group(c)) {}

  bool run() {
    if (producer_.members.size() + consumer_.members.size() > kMostMembers) return false;
    if (producer_.stands_alone() || consumer_.stands_alone()) return false;
    if (consumer_.has_product() || (producer_.has_product() && consumer_.has_reduced_dims())) return false;
    if (!collect_links() || (links_.empty() && !link_regions()) || !writes_apart()) return false;
    const auto alignment = align(producer_, consumer_, links_, common_reads());
    if (!alignment) return false;
    if (alignment->broadcasts && !alignment->only_reduced_added && !may_recompute(alignment->added_row)) return false;
    if (params_together() > kMostParams) return false;
    std::vector<int> between;
    if (table_.path_outside(p_, c_, between) || !merge(producer_, consumer_, *alignment)) return false;
    table_.joined(p_, c_, std::move(between));
    return true;
  }

 private:
  /// Links the reads that the producer's members satisfy; false when one of them must go through memory.
  bool collect_links() {
    for (const Member& member : consumer_.members) {
      for (const Source& source : member.sources) {
        if (source.value < 0 || source.copied || table_.producer_group(source.value) != p_) continue;
        const Member& made = table_.original(source.value);
        if (source.table || made.op == Op::update_) return false;
        links_.push_back({&made.result, &source.map});
      }
    }
    return true;
  }

  /// Two groups that fill parts of one buffer and read nothing of one another can share a loop when the parts are
  /// alike: the parts of a concatenation.
  bool link_regions() {
    const Member& last = consumer_.members.back();
    if (last.op != Op::update_ || producer_.has_reduced_dims() || consumer_.has_reduced_dims()) return false;
    const ValueId base = base_of(table_.graph().nodes[last.node]);
    for (const Member& member : producer_.members) {
      if (member.op != Op::update_ || member.value != base) continue;
      regions_[0].strides = member.result.strides;
      regions_[1].strides = last.result.strides;
      links_ = {{&regions_[0], &regions_[1]}};
    }
    return !links_.empty();
  }

  /// False when an update of the consumer goes on from a buffer the producer makes, unless by an update too, both write
  /// places apart and nobody else sees the version between.
  bool writes_apart() {
    const std::vector<Node>& nodes = table_.graph().nodes;
    for (const Member& member : consumer_.members) {
      if (member.op != Op::update_) continue;
      const Node& last = nodes[member.node];
      for (ValueId base = base_of(last); table_.producer_group(base) == p_;) {
        const Node& earlier = nodes[table_.producer_node(base)];
        if (earlier.op != Op::update_ || table_.is_kept(base) || table_.readers(base).size() != 1) return false;
        if (!are_disjoint(earlier.region, last.region)) return false;
        base = base_of(earlier);
      }
    }
    return true;
  }

  /// Pairs of reads of one value from memory by both groups.
  std::vector<MapPair> common_reads() {
    std::vector<MapPair> pairs;
    if (!producer_.has_reduced_dims()) return pairs;
    for (const Member& member : consumer_.members)
      for (const Source& read : member.sources) {
        if (read.value < 0 || read.table || table_.producer_group(read.value) == p_) continue;
        for (const Member& made : producer_.members)
          for (const Source& also : made.sources)
            if (also.value == read.value && !also.table && pairs.size() < kMostHints)
              pairs.push_back({&also.map, &read.map});
      }
    return pairs;
  }

  /// True when nobody but the two groups sees what the producer makes and making it again, for each row, costs little.
  bool may_recompute(int64_t row) {
    if (producer_.members.size() > (row >= kLongRow ? kMostPerRow : kMostRecomputed)) return false;
    return std::none_of(producer_.members.begin(), producer_.members.end(), [&](const Member& member) {
      return info(member.op).has(Costly) || member.is_reduction() ||
             (!member.copied && table_.is_seen_outside(member, p_, c_));
    });
  }

  /// An upper bound of the buffers a kernel of both groups touches.
  size_t params_together() {
    std::vector<ValueId> read;
    size_t written = 0;
    for (const FusionGroup* group : {&producer_, &consumer_})
      for (const Member& member : group->members) {
        for (const Source& source : member.sources) {
          if (source.value < 0) continue;
          const int from = table_.producer_group(source.value);
          if (source.table || (from != p_ && from != c_)) read.push_back(source.value);
        }
        written += !member.copied && table_.is_seen_outside(member, p_, c_);
      }
    std::sort(read.begin(), read.end());
    return written + static_cast<size_t>(std::unique(read.begin(), read.end()) - read.begin());
  }

  GroupTable& table_;
  int p_, c_;
  FusionGroup &producer_, &consumer_;
  std::vector<MapPair> links_;
  AddressMap regions_[2];
};

}  // namespace

bool join(GroupTable& table, int p, int c) { return Joining(table, p, c).run(); }

}  // namespace braze
