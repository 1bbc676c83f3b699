// A doubly linked list whose labels leave gaps; when a gap is used up, all labels are given anew.
#include "schedule/group_order.h"

#include <algorithm>

namespace braze {
namespace {

constexpr int64_t kGap = int64_t{1} << 32;

}  // namespace

void GroupOrder::append(int id) {
  label_[id] = last_ >= 0 ? label_[last_] + kGap : 0;
  before_[id] = last_;
  after_[id] = -1;
  (last_ >= 0 ? after_[last_] : first_) = id;
  last_ = id;
}

void GroupOrder::unlink(int id) {
  (before_[id] >= 0 ? after_[before_[id]] : first_) = after_[id];
  (after_[id] >= 0 ? before_[after_[id]] : last_) = before_[id];
}

void GroupOrder::link_before(int id, int at) {
  before_[id] = before_[at];
  after_[id] = at;
  (before_[at] >= 0 ? after_[before_[at]] : first_) = id;
  before_[at] = id;
}

void GroupOrder::move_before(std::vector<int> ids, int at) {
  if (ids.empty()) return;
  std::sort(ids.begin(), ids.end(), [&](int a, int b) { return is_before(a, b); });
  const int64_t parts = static_cast<int64_t>(ids.size()) + 1;
  int64_t low = before_[at] >= 0 ? label_[before_[at]] : label_[at] - kGap;
  if ((label_[at] - low) / parts == 0) {
    relabel();
    low = label_[at] - kGap;
  }
  const int64_t step = (label_[at] - low) / parts;
  for (int id : ids) {
    unlink(id);
    link_before(id, at);
    label_[id] = low += step;
  }
}

void GroupOrder::replace(int old, int id) {
  unlink(id);
  link_before(id, old);
  label_[id] = label_[old];
  unlink(old);
}

void GroupOrder::relabel() {
  int64_t label = 0;
  for (int id = first_; id >= 0; id = after_[id]) label_[id] = label += kGap;
}

}  // namespace braze
