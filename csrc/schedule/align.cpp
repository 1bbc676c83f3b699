// The walk over two numberings of one buffer, and the rules for dims that no link pairs.
#include "schedule/align.h"

#include <algorithm>
#include "graph/size_division.h"

namespace braze {
namespace {

constexpr int kProducer = 0, kConsumer = 1;

struct Side {
  std::vector<GroupDim> dims;
  std::vector<int> partner;                        // the other side's dim, or -1
  std::vector<std::vector<int64_t>> link_strides;  // one a link, then one a hint
  std::vector<int64_t> order;                      // strides of the largest access: which dims are outer
  std::vector<DimSplit> splits;
};

/// The strides of the result with most elements: a good guess of how the group's loops will run.
std::vector<int64_t> order_of(const FusionGroup& group) {
  const Member* widest = &group.members.back();
  auto width = [](const Member& m) {
    return std::count_if(m.result.strides.begin(), m.result.strides.end(), [](int64_t s) { return s != 0; });
  };
  for (const Member& member : group.members)
    if (width(member) > width(*widest)) widest = &member;
  std::vector<int64_t> order = widest->result.strides;
  for (const Source& source : widest->sources)
    for (size_t d = 0; source.value >= 0 && d < order.size(); ++d)
      if (order[d] == 0) order[d] = source.map.strides[d];
  return order;
}

class Aligner {
 public:
  Aligner(const FusionGroup& producer, const FusionGroup& consumer, const std::vector<MapPair>& links,
          const std::vector<MapPair>& hints)
      : links_(links.size()) {
    start(side_[kProducer], producer);
    start(side_[kConsumer], consumer);
    for (const auto* pairs : {&links, &hints})
      for (const MapPair& pair : *pairs) {
        side_[kProducer].link_strides.push_back(pair.producer->strides);
        side_[kConsumer].link_strides.push_back(pair.consumer->strides);
      }
  }

  bool run() {
    for (size_t link = 0; link < links_; ++link)
      if (!walk(link, moving(kProducer, link), moving(kConsumer, link))) return false;
    return settle_unpaired();
  }

  Alignment result() {
    Alignment alignment;
    alignment.producer_splits = side_[kProducer].splits;
    alignment.consumer_splits = side_[kConsumer].splits;
    alignment.producer_dim = side_[kConsumer].partner;
    const std::vector<int> added = unpaired(kConsumer);
    alignment.broadcasts = !added.empty();
    alignment.only_reduced_added =
        added.size() == count_reduced(kConsumer) &&
        std::all_of(added.begin(), added.end(), [&](int d) { return dim(kConsumer, d).reduced; });
    const int innermost = innermost_dim(kConsumer);
    if (innermost >= 0 && side_[kConsumer].partner[innermost] < 0)
      alignment.added_row = dim(kConsumer, innermost).extent;
    return alignment;
  }

 private:
  static void start(Side& side, const FusionGroup& group) {
    side.dims = group.dims;
    side.partner.assign(group.dims.size(), -1);
    side.order = order_of(group);
  }

  GroupDim& dim(int s, int d) { return side_[s].dims[d]; }
  int64_t stride(int s, size_t link, int d) const { return side_[s].link_strides[link][d]; }

  size_t count_reduced(int s) const {
    return std::count_if(side_[s].dims.begin(), side_[s].dims.end(), [](const GroupDim& d) { return d.reduced; });
  }

  std::vector<int> moving(int s, size_t link) const {
    std::vector<int> found;
    for (size_t d = 0; d < side_[s].dims.size(); ++d)
      if (stride(s, link, static_cast<int>(d)) != 0) found.push_back(static_cast<int>(d));
    return found;
  }

  int innermost_dim(int s) const {
    const std::vector<int64_t>& order = side_[s].order;
    int found = -1;
    for (size_t d = 0; d < order.size(); ++d)
      if (order[d] != 0 && (found < 0 || order[d] < order[found])) found = static_cast<int>(d);
    return found;
  }

  std::vector<int> unpaired(int s) const {
    std::vector<int> found;
    for (size_t d = 0; d < side_[s].dims.size(); ++d)
      if (side_[s].partner[d] < 0) found.push_back(static_cast<int>(d));
    return found;
  }

  int split(int s, int d, int64_t inner) {
    split_one(s, d, inner);
    const int made = static_cast<int>(side_[s].dims.size()) - 1;
    if (const int other = side_[s].partner[d]; other >= 0) {
      split_one(1 - s, other, inner);
      const int partner = static_cast<int>(side_[1 - s].dims.size()) - 1;
      side_[s].partner[made] = partner;
      side_[1 - s].partner[partner] = made;
    }
    return made;
  }

  void split_one(int s, int d, int64_t inner) {
    Side& side = side_[s];
    auto extend = [&](std::vector<int64_t>& strides) {
      strides.push_back(strides[d]);
      strides[d] *= inner;
    };
    for (auto& strides : side.link_strides) extend(strides);
    extend(side.order);
    side.dims[d].extent /= inner;
    side.dims.push_back({inner, side.dims[d].reduced});
    side.partner.push_back(-1);
    side.splits.push_back({d, inner});
  }

  bool pair(int p, int c) {
    int& of_p = side_[kProducer].partner[p];
    int& of_c = side_[kConsumer].partner[c];
    if (of_p == c && of_c == p) return true;
    if (of_p >= 0 || of_c >= 0) return false;
    of_p = c;
    of_c = p;
    return true;
  }

  /// Pairs all of `ps` with all of `cs` by their strides in one link, splitting where one side has more breaks.
  bool walk(size_t link, std::vector<int> ps, std::vector<int> cs) {
    auto descending = [&](int s) {
      return [this, s, link](int a, int b) { return stride(s, link, a) > stride(s, link, b); };
    };
    std::sort(ps.begin(), ps.end(), descending(kProducer));
    std::sort(cs.begin(), cs.end(), descending(kConsumer));
    while (!ps.empty() && !cs.empty()) {
      const int p = ps.back(), c = cs.back();
      if (stride(kProducer, link, p) != stride(kConsumer, link, c)) return false;
      const int64_t np = dim(kProducer, p).extent, nc = dim(kConsumer, c).extent;
      if (np == nc) {
        if (!pair(p, c)) return false;
        ps.pop_back();
        cs.pop_back();
      } else if (np > nc) {
        if (remainder_of_sizes(np, nc) != 0 || !pair(split(kProducer, p, nc), c)) return false;
        cs.pop_back();
      } else {
        if (remainder_of_sizes(nc, np) != 0 || !pair(p, split(kConsumer, c, np))) return false;
        ps.pop_back();
      }
    }
    return ps.empty() && cs.empty();
  }

  bool settle_unpaired() {
    const bool producer_reduces = count_reduced(kProducer) > 0, consumer_reduces = count_reduced(kConsumer) > 0;
    std::vector<int> rest, consumer_rest = unpaired(kConsumer);
    for (int d : unpaired(kProducer)) {
      if (!dim(kProducer, d).reduced) return false;  // the consumer would run once where the producer runs often
      rest.push_back(d);
    }
    if (!producer_reduces) return true;
    if (consumer_reduces) {
      if (std::any_of(consumer_rest.begin(), consumer_rest.end(), [&](int d) { return !dim(kConsumer, d).reduced; }))
        return false;
      return pair_rest(rest, consumer_rest) && reduced_dims_agree();
    }
    const bool reads_rows_only = rest.size() == count_reduced(kProducer);
    if (consumer_rest.empty()) return rest.empty() || reads_rows_only;
    return reads_rows_only && pair_rest(rest, consumer_rest);
  }

  bool reduced_dims_agree() {
    for (size_t c = 0; c < side_[kConsumer].dims.size(); ++c)
      if (dim(kConsumer, static_cast<int>(c)).reduced != dim(kProducer, side_[kConsumer].partner[c]).reduced)
        return false;
    return true;
  }

  /// Pairs dims that no link pairs. Any pairing is right; one that a common input suggests reads that input once.
  bool pair_rest(const std::vector<int>& ps, const std::vector<int>& cs) {
    if (ps.empty() && cs.empty()) return true;
    const Side before[2] = {side_[kProducer], side_[kConsumer]};
    for (size_t hint = links_; hint < before[kProducer].link_strides.size(); ++hint) {
      if (walk(hint, ps, cs)) return true;
      side_[kProducer] = before[kProducer];
      side_[kConsumer] = before[kConsumer];
    }
    return walk(number_by_order(ps, cs), ps, cs);
  }

  /// Adds a made-up link in which both lists are contiguous, outer dims first as `order` has them.
  size_t number_by_order(const std::vector<int>& ps, const std::vector<int>& cs) {
    for (int s : {kProducer, kConsumer}) {
      std::vector<int> dims = s == kProducer ? ps : cs;
      const std::vector<int64_t>& order = side_[s].order;
      std::stable_sort(dims.begin(), dims.end(), [&](int a, int b) { return order[a] > order[b]; });
      std::vector<int64_t> strides(side_[s].dims.size(), 0);
      int64_t next = 1;
      for (size_t i = dims.size(); i-- > 0; next *= dim(s, dims[i]).extent) strides[dims[i]] = next;
      side_[s].link_strides.push_back(std::move(strides));
    }
    return side_[kProducer].link_strides.size() - 1;
  }

  size_t links_;
  Side side_[2];
};

}  // namespace

std::optional<Alignment> align(const FusionGroup& producer, const FusionGroup& consumer,
                               const std::vector<MapPair>& links, const std::vector<MapPair>& hints) {
  for (const MapPair& link : links)
    if (link.producer->offset != link.consumer->offset) return std::nullopt;
  Aligner aligner(producer, consumer, links, hints);
  if (!aligner.run()) return std::nullopt;
  return aligner.result();
}

}  // namespace braze
