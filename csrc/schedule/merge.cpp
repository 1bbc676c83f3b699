// Re-expressing the maps of the smaller group over the dims of the larger one.
#include "schedule/merge.h"

#include <algorithm>
#include <iterator>

namespace braze {
namespace {

/// Rewrites every map of `group`: its dim d becomes dim `to[d]` of `count`.
void move_dims(FusionGroup& group, const std::vector<int>& to, size_t count) {
  group.each_map([&](AddressMap& map) {
    std::vector<int64_t> strides(count, 0);
    for (size_t d = 0; d < to.size(); ++d) strides[to[d]] = map.strides[d];
    map.strides = std::move(strides);
  });
  for (int& dim : group.position_order) dim = to[dim];
}

/// Adds dims, up to `count`, along which nothing moves yet.
void widen(FusionGroup& group, size_t count) {
  if (group.members.front().result.strides.size() == count) return;
  group.each_map([&](AddressMap& map) { map.strides.resize(count, 0); });
}

std::vector<Member> in_node_order(std::vector<Member>& a, std::vector<Member>& b) {
  if (!a.empty() && !b.empty() && a.back().node < b.front().node) {
    a.insert(a.end(), std::make_move_iterator(b.begin()), std::make_move_iterator(b.end()));
    return std::move(a);
  }
  std::vector<Member> both;
  both.reserve(a.size() + b.size());
  std::merge(std::make_move_iterator(a.begin()), std::make_move_iterator(a.end()), std::make_move_iterator(b.begin()),
             std::make_move_iterator(b.end()), std::back_inserter(both),
             [](const Member& x, const Member& y) { return x.node < y.node; });
  return both;
}

}  // namespace

bool merge(FusionGroup& producer, FusionGroup& consumer, const Alignment& alignment) {
  for (const DimSplit& split : alignment.producer_splits) producer.split(split.dim, split.inner);
  for (const DimSplit& split : alignment.consumer_splits) consumer.split(split.dim, split.inner);
  std::vector<int> to(consumer.dims.size());
  std::vector<GroupDim> dims = producer.dims;
  for (size_t c = 0; c < to.size(); ++c) {
    to[c] = alignment.producer_dim[c];
    if (to[c] < 0) {
      to[c] = static_cast<int>(dims.size());
      dims.push_back(consumer.dims[c]);
    }
    dims[to[c]].reduced = dims[to[c]].reduced || consumer.dims[c].reduced;
  }
  std::vector<int> order = consumer.position_order;
  for (int& dim : order) dim = to[dim];
  if (!order.empty() && !producer.position_order.empty() && order != producer.position_order) return false;

  if (producer.members.size() >= consumer.members.size()) {
    move_dims(consumer, to, dims.size());
    widen(producer, dims.size());
    if (consumer.position_order.empty()) consumer.position_order = producer.position_order;
    consumer.dims = std::move(dims);
  } else {
    // The same pairing seen from the consumer: producer dims without a partner come last.
    std::vector<int> back(producer.dims.size(), -1);
    for (size_t c = 0; c < to.size(); ++c) {
      if (to[c] < static_cast<int>(back.size())) back[to[c]] = static_cast<int>(c);
      consumer.dims[c].reduced = dims[to[c]].reduced;
    }
    for (size_t p = 0; p < back.size(); ++p) {
      if (back[p] >= 0) continue;
      back[p] = static_cast<int>(consumer.dims.size());
      consumer.dims.push_back(producer.dims[p]);
    }
    move_dims(producer, back, consumer.dims.size());
    widen(consumer, consumer.dims.size());
    if (consumer.position_order.empty()) consumer.position_order = producer.position_order;
  }
  consumer.members = in_node_order(producer.members, consumer.members);
  consumer.after.insert(consumer.after.end(), producer.after.begin(), producer.after.end());
  producer = {};
  return true;
}

}  // namespace braze
