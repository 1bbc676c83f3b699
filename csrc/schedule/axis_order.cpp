// Outer to inner by the strides of the accesses that matter most; written memory counts first, then what is read most.
#include "schedule/axis_order.h"

#include <algorithm>

namespace braze {
namespace {

constexpr int64_t kShortRow = 4;  // rows this short are better walked side by side
constexpr int64_t kManyColumns = 64;
constexpr int64_t kFewColumns = 16;  // of a product: a vector of them, or less
constexpr int64_t kLongDepth = 64;

class Chooser {
 public:
  Chooser(const FusionGroup& group, std::vector<LoopAccess> accesses) : group_(group), accesses_(std::move(accesses)) {
    std::stable_sort(accesses_.begin(), accesses_.end(),
                     [&](const LoopAccess& a, const LoopAccess& b) { return weight(a) > weight(b); });
  }

  Axes run() {
    std::vector<int> parallel, reduced;
    for (size_t d = 0; d < group_.dims.size(); ++d)
      (group_.dims[d].reduced ? reduced : parallel).push_back(static_cast<int>(d));
    sort(parallel);
    if (group_.has_attention()) {
      put_attention_last(parallel, reduced);
    } else if (group_.has_recurrence()) {
      put_rows_first(parallel);
      sort(reduced);
    } else {
      put_product_last(parallel);
      if (group_.position_order.empty())
        sort(reduced);
      else
        reduced = group_.position_order;
    }
    add_axes(parallel);
    const size_t parallel_axes = axes_.extents.size();
    add_axes(reduced);
    axes_.reduce_axes = static_cast<int>(axes_.extents.size() - parallel_axes);
    axes_.vector_axis = vector_axis(static_cast<int>(parallel_axes));
    return std::move(axes_);
  }

 private:
  /// Stores of whole elements, then loads by how many elements they walk over, then what happens once a row.
  int64_t weight(const LoopAccess& access) const {
    if (!access.memory) return -1;
    int64_t moved = 1;
    for (size_t d = 0; d < access.strides.size(); ++d)
      if (access.strides[d] != 0) moved *= group_.dims[d].extent;
    const int64_t first = int64_t{1} << 60;
    return access.row ? 0 : access.written ? first + moved : moved;
  }

  /// Positive: `a` is outside `b`; 0: no access tells.
  int compare(int a, int b) const {
    for (const LoopAccess& access : accesses_) {
      const int64_t sa = access.strides[a], sb = access.strides[b];
      if (access.memory && sa != 0 && sb != 0 && sa != sb) return sa > sb ? 1 : -1;
    }
    return 0;
  }

  /// Insertion sort, since "no access tells" is not transitive.
  void sort(std::vector<int>& dims) const {
    for (size_t i = 1; i < dims.size(); ++i)
      for (size_t j = i; j > 0; --j) {
        const int order = compare(dims[j], dims[j - 1]);
        if (order <= 0) break;
        std::swap(dims[j], dims[j - 1]);
      }
  }

  /// The last two dims of a product are a column and a row of its result (product_form.h): the column is a dim that one
  /// factor alone moves along, the row the longest that only the other does. Columns are neighbours in the result,
  /// unless those are few. Where neighbours in memory are products of factors of their own, channel by channel, they
  /// make vectors.
  void put_product_last(std::vector<int>& dims) const {
    const LoopAccess* factors[2] = {nullptr, nullptr};
    for (const LoopAccess& access : accesses_)
      if (access.factor >= 0) factors[access.factor] = &access;
    if (!factors[0] || !factors[1]) return;
    auto both = [&](int d) { return factors[0]->strides[d] != 0 && factors[1]->strides[d] != 0; };
    if (std::any_of(dims.begin(), dims.end(), [&](int d) { return both(d) && is_contiguous_in_stores(d); })) return;
    auto only = [&](int factor, int d) {
      return factors[factor]->strides[d] != 0 && factors[!factor]->strides[d] == 0;
    };
    int column = -1, row = -1;
    for (int d : dims)
      if ((only(0, d) || only(1, d)) && (column < 0 || !is_contiguous_in_stores(column))) column = d;
    if (column < 0) return;
    if (group_.dims[column].extent <= kFewColumns && is_summed_along_memory(factors))
      for (int d : dims)
        if (group_.dims[d].extent > kFewColumns && group_.dims[d].extent > group_.dims[column].extent &&
            (only(0, d) || only(1, d)))
          column = d;
    const int other = only(0, column) ? 1 : 0;
    for (int d : dims)
      if (only(other, d) && (row < 0 || group_.dims[d].extent >= group_.dims[row].extent)) row = d;
    std::erase_if(dims, [&](int d) { return d == column || d == row; });
    dims.push_back(column);
    if (row >= 0) dims.push_back(row);
  }

  /// Whether both factors of a product have the terms of each long sum side by side: then few rows go best
  /// (emit_product makes vectors along the depth), wherever the results go.
  bool is_summed_along_memory(const LoopAccess* const factors[2]) const {
    int64_t depth = 1;
    bool side_by_side = false;
    for (size_t d = 0; d < group_.dims.size(); ++d) {
      if (!group_.dims[d].reduced) continue;
      depth *= group_.dims[d].extent;
      side_by_side |= factors[0]->strides[d] == 1 && factors[1]->strides[d] == 1;
    }
    return side_by_side && depth >= kLongDepth;
  }

  /// The last parallel dims of attention are a row and a column, and keys are reduced outside of the depth
  /// (attention_form.h).
  void put_attention_last(std::vector<int>& parallel, std::vector<int>& reduced) const {
    const LoopAccess* parts[4] = {};
    for (const LoopAccess& access : accesses_)
      if (access.factor >= 0) parts[access.factor] = &access;
    auto moved_by = [&](int d, bool query, bool key, bool value) {
      const bool moved[] = {query, key, value};
      for (int part : {0, 1, 2})
        if ((parts[part]->strides[d] != 0) != moved[part]) return false;
      return true;
    };
    int column = -1, row = -1;
    for (int d : parallel) {
      if (moved_by(d, false, false, true)) column = d;
      if (moved_by(d, true, false, false) && d > row) row = d;  // heads that share their keys come before rows
    }
    std::erase_if(parallel, [&](int d) { return d == column || d == row; });
    if (row >= 0) parallel.push_back(row);
    parallel.push_back(column);
    std::stable_partition(reduced.begin(), reduced.end(), [&](int d) { return moved_by(d, false, true, true); });
  }

  /// Launches cut a recurrent layer between rows, the dim that its first states move along beside the depth.
  void put_rows_first(std::vector<int>& parallel) const {
    for (const LoopAccess& access : accesses_)
      if (access.factor == 2)
        std::stable_partition(parallel.begin(), parallel.end(), [&](int d) { return access.strides[d] != 0; });
  }

  bool is_contiguous_in_stores(int dim) const {
    return std::any_of(accesses_.begin(), accesses_.end(),
                       [&](const LoopAccess& access) { return access.written && access.strides[dim] == 1; });
  }

  bool joins(int outer, int inner) const {
    if (group_.stands_alone()) return false;
    for (const LoopAccess& access : accesses_)
      if (access.strides[outer] != access.strides[inner] * group_.dims[inner].extent) return false;
    return true;
  }

  void add_axes(const std::vector<int>& dims) {
    for (size_t i = 0; i < dims.size(); ++i) {
      const int64_t extent = group_.dims[dims[i]].extent;
      if (i > 0 && joins(dims[i - 1], dims[i])) {
        axes_.extents.back() *= extent;
        axes_.dims.back().push_back(dims[i]);
      } else {
        axes_.extents.push_back(extent);
        axes_.dims.push_back({dims[i]});
      }
    }
  }

  /// How well vectors along an axis suit memory: neighbours in memory count twice, one element for all lanes once.
  int64_t score(int axis) const {
    int64_t sum = 0;
    for (const LoopAccess& access : accesses_) {
      if (!access.memory || access.row) continue;
      const int64_t stride = access.strides[axes_.dims[axis].back()];
      sum += stride == 1 ? 2 : stride == 0 ? 1 : 0;
    }
    return sum;
  }

  int vector_axis(int parallel_axes) const {
    const int last = static_cast<int>(axes_.extents.size()) - 1, last_parallel = parallel_axes - 1;
    if (axes_.reduce_axes == 0 || last_parallel < 0) return last;
    const bool short_rows = axes_.extents[last] <= kShortRow && axes_.extents[last_parallel] >= kManyColumns;
    return short_rows || score(last_parallel) > score(last) ? last_parallel : last;
  }

  const FusionGroup& group_;
  std::vector<LoopAccess> accesses_;
  Axes axes_;
};

}  // namespace

Axes choose_axes(const FusionGroup& group, std::vector<LoopAccess> accesses) {
  return Chooser(group, std::move(accesses)).run();
}

}  // namespace braze
