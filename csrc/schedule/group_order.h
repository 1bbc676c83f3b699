// A running order of groups that stays right while groups are joined: a list with labels, so that "is before" is one
// comparison.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace braze {

class GroupOrder {
 public:
  explicit GroupOrder(size_t count) : label_(count), before_(count, -1), after_(count, -1) {}

  void append(int id);
  bool is_before(int a, int b) const { return label_[a] < label_[b]; }
  /// Moves `ids`, all of them later than `at`, to just before it; they keep their order among themselves.
  void move_before(std::vector<int> ids, int at);
  /// Puts `id` where `old` is, which leaves the order.
  void replace(int old, int id);

 private:
  void unlink(int id);
  void link_before(int id, int at);
  void relabel();

  std::vector<int64_t> label_;
  std::vector<int> before_, after_;
  int first_ = -1, last_ = -1;
};

}  // namespace braze
