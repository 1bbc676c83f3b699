// Groups of one node, and splitting dims.
#include "schedule/fusion_group.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "support/error.h"

namespace braze {
namespace {

/// What a reduction of no elements gives.
Scalar neutral(Op op, DType dtype) {
  const int64_t value = op == Op::prod_ || op == Op::all_ ? 1 : 0;
  return is_floating(dtype) ? Scalar::of_double(dtype, static_cast<double>(value)) : Scalar::of_int(dtype, value);
}

class Builder {
 public:
  Builder(const Graph& graph, NodeId id) : graph_(graph), node_(graph.nodes[id]) {
    member_.node = id;
    member_.op = node_.op;
    member_.value = node_.results[0];
  }

  FusionGroup run() {
    const Geometry domain = iteration();
    std::vector<char> reduced(domain.sizes.size());
    for (int d : node_.reduce_dims) reduced[d] = 1;
    for (size_t d = 0; d < domain.sizes.size(); ++d) {
      if (domain.sizes[d] == 1) continue;
      kept_.push_back(static_cast<int>(d));
      group_.dims.push_back({domain.sizes[d], reduced[d] != 0});
    }
    if (info(graph_.value(member_.value).dtype).bytes == 16) {
      words_ = 2;
      group_.dims.push_back({2, false});
    }
    sources();
    member_.result = map_of(node_.op == Op::update_ ? node_.region : graph_.value(member_.value).shape);
    if (node_.op == Op::index_) {
      member_.position.strides.assign(kept_.size(), 0);
      for (size_t i = 0; i < kept_.size(); ++i) member_.position.strides[i] = kept_[i] == node_.dim;
    }
    if (info(node_.op).cls == OpClass::Reduce) reduction();
    group_.members.push_back(std::move(member_));
    if (!group_.stands_alone()) collapse();  // a row is counted along a dim of its own
    return std::move(group_);
  }

 private:
  Geometry iteration() const {
    if (node_.op == Op::update_) return node_.region;
    if (info(node_.op).cls != OpClass::Reduce) return graph_.value(member_.value).shape;
    if (auto* access = std::get_if<Access>(&node_.operands[0])) return access->geometry;
    return graph_.value(member_.value).shape;
  }

  AddressMap map_of(const Geometry& geometry) const {
    AddressMap map{geometry.offset * words_, {}};
    for (int d : kept_) map.strides.push_back(geometry.strides[d] * words_);
    if (words_ == 2) map.strides.push_back(1);
    return map;
  }

  void sources() {
    const size_t first = node_.op == Op::update_ ? 1 : 0;
    for (size_t i = first; i < node_.operands.size(); ++i) {
      Source source;
      if (auto* access = std::get_if<Access>(&node_.operands[i])) {
        source.value = access->value;
        source.table = node_.op == Op::gather_ && i == 0;
        source.map = map_of(access->geometry);
      } else {
        source.constant = std::get<Scalar>(node_.operands[i]);
      }
      member_.sources.push_back(std::move(source));
    }
    if (first == 1)
      if (auto* base = std::get_if<Access>(&node_.operands[0]); base && graph_.value(base->value).producer >= 0)
        group_.after.push_back(graph_.value(base->value).producer);
  }

  void reduction() {
    const auto is_reduced = [](const GroupDim& dim) { return dim.reduced; };
    const bool counts = node_.op == Op::argmin_ || node_.op == Op::argmax_;
    const bool nothing = std::any_of(group_.dims.begin(), group_.dims.end(), [](auto& d) { return d.extent == 0; });
    for (size_t i = 0; i < group_.dims.size(); ++i)
      if (group_.dims[i].reduced) member_.result.strides[i] = 0;
    if (!nothing && std::any_of(group_.dims.begin(), group_.dims.end(), is_reduced)) {
      for (size_t i = 0; counts && i < group_.dims.size(); ++i)
        if (group_.dims[i].reduced) group_.position_order.push_back(static_cast<int>(i));
      return;
    }
    member_.op = node_.op == Op::dot_ && !nothing ? Op::mul_ : Op::cast_;
    const DType dtype = graph_.value(member_.value).dtype;
    if (nothing || counts) {
      Source source;
      source.constant = counts ? Scalar::of_int(DType::i64, 0) : neutral(node_.op, dtype);
      member_.sources = {source};
    }
    drop_dims(is_reduced);
  }

  template <typename Match>
  void drop_dims(Match match) {
    for (size_t i = group_.dims.size(); i-- > 0;) {
      if (!match(group_.dims[i])) continue;
      group_.dims.erase(group_.dims.begin() + i);
      member_.result.strides.erase(member_.result.strides.begin() + i);
      for (Source& source : member_.sources)
        if (source.value >= 0) source.map.strides.erase(source.map.strides.begin() + i);
    }
  }

  /// Joins dims `outer` and `inner` when every access walks over both as over one.
  bool join(int outer, int inner) {
    if (group_.dims[outer].reduced != group_.dims[inner].reduced) return false;
    auto& order = group_.position_order;
    const auto at = std::find(order.begin(), order.end(), outer);
    if (at != order.end() && (at + 1 == order.end() || at[1] != inner)) return false;
    const int64_t extent = group_.dims[inner].extent;
    bool joins = true;
    group_.each_map([&](AddressMap& map) { joins = joins && map.strides[outer] == map.strides[inner] * extent; });
    if (!joins) return false;
    group_.dims[outer].extent *= extent;
    group_.dims.erase(group_.dims.begin() + inner);
    group_.each_map([&](AddressMap& map) {
      map.strides[outer] = map.strides[inner];
      map.strides.erase(map.strides.begin() + inner);
    });
    std::erase(order, inner);
    for (int& dim : order) dim -= dim > inner;
    return true;
  }

  void collapse() {
    bool changed = true;
    while (changed) {
      changed = false;
      const int count = static_cast<int>(group_.dims.size());
      for (int a = 0; a < count && !changed; ++a)
        for (int b = 0; b < count && !changed; ++b) changed = a != b && join(a, b);
    }
  }

  const Graph& graph_;
  const Node& node_;
  Member member_;
  FusionGroup group_;
  std::vector<int> kept_;  // the node's dims that are dims of the group
  int64_t words_ = 1;      // 2: elements too wide for one instruction, moved by an update as pairs
};

}  // namespace

bool FusionGroup::has_reduced_dims() const {
  return std::any_of(dims.begin(), dims.end(), [](const GroupDim& dim) { return dim.reduced; });
}

bool FusionGroup::has_product() const {
  return std::any_of(members.begin(), members.end(), [](const Member& member) { return member.op == Op::dot_; });
}

bool FusionGroup::has_attention() const {
  return std::any_of(members.begin(), members.end(), [](const Member& member) { return is_attention(member.op); });
}

bool FusionGroup::has_recurrence() const {
  return std::any_of(members.begin(), members.end(), [](const Member& member) { return is_recurrence(member.op); });
}

NodeId FusionGroup::last_node() const { return library_call >= 0 ? library_call : members.back().node; }

void FusionGroup::split(int dim, int64_t inner) {
  dims[dim].extent /= inner;
  dims.push_back({inner, dims[dim].reduced});
  each_map([&](AddressMap& map) {
    map.strides.push_back(map.strides[dim]);
    map.strides[dim] *= inner;
  });
  const auto at = std::find(position_order.begin(), position_order.end(), dim);
  if (at != position_order.end()) position_order.insert(at + 1, static_cast<int>(dims.size()) - 1);
}

int FusionGroup::find(ValueId value, const AddressMap& map) const {
  for (size_t i = 0; i < members.size(); ++i)
    if (members[i].value == value && members[i].op != Op::update_ && members[i].result == map)
      return static_cast<int>(i);
  return -1;
}

FusionGroup group_of(const Graph& graph, NodeId node) { return Builder(graph, node).run(); }

}  // namespace braze
