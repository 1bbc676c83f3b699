// A fusion group: nodes that will be one kernel, over one set of dims.
//
// Every access of a member is an AddressMap over the group's dims, so views need no members of their own. A member
// reads another member's value without memory when both maps say the same address at every point. Invariants:
//   - every dim has an extent above 1; a result map does not move along the reduced dims of a value that was reduced;
//   - members are in node order; all reductions of a group reduce all its reduced dims.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "graph/graph.h"

namespace braze {

/// An address as a function of a point of a group's dims: offset + sum(position * stride).
struct AddressMap {
  int64_t offset = 0;
  std::vector<int64_t> strides;
  bool operator==(const AddressMap&) const = default;
};

struct GroupDim {
  int64_t extent = 1;
  bool reduced = false;
};

/// What a member reads at each point: a value's element, or a number.
struct Source {
  ValueId value = -1;   // -1: `constant`
  bool table = false;   // the table of a gather: always read from memory
  bool copied = false;  // made again in this group by a copied member
  AddressMap map;
  Scalar constant;
};

/// One node (or a copy of a cheap one) as part of a group.
struct Member {
  NodeId node = -1;
  Op op = Op::add_;  // the node's, except that a reduction of nothing or of one element is a cast (a dot of one: a mul)
  ValueId value = -1;   // what it makes; for an update the new version, which lives in memory only
  bool copied = false;  // made again in this group; the original belongs to another one
  std::vector<Source> sources;
  AddressMap result;
  AddressMap position;  // index: the number at each point

  bool is_reduction() const { return info(op).cls == OpClass::Reduce; }
};

struct FusionGroup {
  std::vector<GroupDim> dims;
  std::vector<Member> members;
  std::vector<int> position_order;  // of the reduced dims, outermost first, when an argmin or argmax counts along them
  std::vector<NodeId> after;        // nodes that must run earlier although no member reads their value
  NodeId library_call = -1;         // the extern node of a group that is not a kernel

  bool has_reduced_dims() const;
  /// Contains a dot: a loop nest of its own kind, which takes what is done with each result and nothing else.
  bool has_product() const;
  bool has_attention() const;
  bool has_recurrence() const;
  /// Is attention or a recurrent layer, which share their loops with nothing.
  bool stands_alone() const { return has_attention() || has_recurrence(); }
  NodeId last_node() const;
  /// Splits dim `dim` in two: it keeps the outer part, and a new last dim of extent `inner` is the inner one.
  void split(int dim, int64_t inner);
  /// Calls `visit` with every address map, positions included.
  template <typename Visit>
  void each_map(Visit visit) {
    for (Member& member : members) {
      for (Source& source : member.sources)
        if (source.value >= 0) visit(source.map);
      visit(member.result);
      if (member.op == Op::index_) visit(member.position);
    }
  }
  /// The member that makes `value` at the addresses of `map`; -1 when no member does.
  int find(ValueId value, const AddressMap& map) const;
};

/// A group of one node, its dims as few as its accesses allow. The node must be elementwise, index, gather, reduce or
/// update and make at least one element.
FusionGroup group_of(const Graph& graph, NodeId node);

}  // namespace braze
