// Best fit over the free parts of the arena, which are kept by offset and by size.
#include "schedule/arena_layout.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <numeric>
#include <queue>
#include <set>

namespace braze {
namespace {

constexpr int64_t kAlignment = 64;

/// The free parts of the arena, by offset and by size.
class FreeList {
 public:
  int64_t take(int64_t bytes) {
    auto best = by_size_.lower_bound({bytes, 0});
    if (best == by_size_.end()) return grow(bytes);
    const auto [size, offset] = *best;
    erase(offset);
    if (size > bytes) insert(offset + bytes, size - bytes);
    return offset;
  }

  void give_back(int64_t offset, int64_t bytes) {
    auto next = by_offset_.lower_bound(offset);
    if (next != by_offset_.end() && next->first == offset + bytes) {
      bytes += next->second;
      erase(next->first);
    }
    auto before = by_offset_.lower_bound(offset);
    if (before != by_offset_.begin() && std::prev(before)->first + std::prev(before)->second == offset) {
      --before;
      bytes += before->second;
      offset = before->first;
      erase(offset);
    }
    insert(offset, bytes);
  }

  int64_t end() const { return end_; }

 private:
  /// Takes what is free at the end of the arena and makes the arena larger by the rest.
  int64_t grow(int64_t bytes) {
    int64_t offset = end_;
    if (!by_offset_.empty()) {
      const auto last = std::prev(by_offset_.end());
      if (last->first + last->second == end_) {
        offset = last->first;
        erase(offset);
      }
    }
    end_ = offset + bytes;
    return offset;
  }

  void insert(int64_t offset, int64_t bytes) {
    by_offset_[offset] = bytes;
    by_size_.insert({bytes, offset});
  }

  void erase(int64_t offset) {
    by_size_.erase({by_offset_[offset], offset});
    by_offset_.erase(offset);
  }

  std::map<int64_t, int64_t> by_offset_;
  std::set<std::pair<int64_t, int64_t>> by_size_;
  int64_t end_ = 0;
};

}  // namespace

int64_t lay_out_arena(std::vector<ArenaRequest>& requests) {
  std::vector<size_t> order(requests.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return requests[a].start < requests[b].start; });
  auto rounded = [](int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; };
  using Ending = std::pair<int, size_t>;
  std::priority_queue<Ending, std::vector<Ending>, std::greater<>> alive;
  FreeList free;
  for (size_t i : order) {
    ArenaRequest& request = requests[i];
    for (; !alive.empty() && alive.top().first < request.start; alive.pop())
      free.give_back(requests[alive.top().second].offset, rounded(requests[alive.top().second].bytes));
    if (request.bytes == 0) continue;
    request.offset = free.take(rounded(request.bytes));
    alive.push({request.end, i});
  }
  return free.end();
}

}  // namespace braze
