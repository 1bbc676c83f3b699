// Words in memory that should still be what they were: the part of the guards that every call pays for.
//
// It costs a cache line or two for each guarded object, which the processor loads many at a time as long as little is
// done for each. So words lie in the order of their addresses, roughly the order in which they were allocated; and
// those that can only grow are added up, for their sum is the same only if each of them is.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

namespace braze {

class WordScan {
 public:
  enum class Answer : uint8_t { Differs, Same, SameFromNowOn };

  /// `place`: what `scan` is to ask about when the word differs.
  void add(const void* address, uint32_t place) { add(others_, address, place); }
  /// A word that only ever grows.
  void add_counter(const void* address, uint32_t place) { add(counters_, address, place); }
  void clear() { counters_ = others_ = {}; }

  /// Hot. Whether each word is what it was, or `ask(place)`, an Answer, says that it means the same.
  template <typename Ask>
  bool scan(Ask ask) {
    if (!is_sorted_) sort();
    uint64_t sum = 0;
    for (const uint64_t* address : counters_.addresses) sum += *address;
    if (__builtin_expect(sum != sum_, 0)) {
      const bool same = look(counters_, 0, counters_.addresses.size(), ask);
      add_up();
      if (!same) return false;
    }
    const size_t count = others_.addresses.size(), whole = count - count % kBlock;
    for (size_t i = 0; i < whole; i += kBlock) {
      uint64_t difference = 0;
      for (size_t k = i; k < i + kBlock; ++k) difference |= *others_.addresses[k] ^ others_.expected[k];
      if (__builtin_expect(difference != 0, 0) && !look(others_, i, i + kBlock, ask)) return false;
    }
    return look(others_, whole, count, ask);
  }

 private:
  static constexpr size_t kBlock = 8;

  struct Words {
    std::vector<const uint64_t*> addresses;
    std::vector<uint64_t> expected;
    std::vector<uint32_t> places;
  };

  void add(Words& words, const void* address, uint32_t place) {
    words.addresses.push_back(static_cast<const uint64_t*>(address));
    words.expected.push_back(*words.addresses.back());
    words.places.push_back(place);
    is_sorted_ = false;
  }

  template <typename Ask>
  static bool look(Words& words, size_t begin, size_t end, Ask& ask) {
    for (size_t i = begin; i < end; ++i) {
      const uint64_t now = *words.addresses[i];
      if (now == words.expected[i]) continue;
      const Answer answer = ask(words.places[i]);
      if (answer == Answer::Differs) return false;
      if (answer == Answer::SameFromNowOn) words.expected[i] = now;
    }
    return true;
  }

  static void sort(Words& words) {
    std::vector<uint32_t> order(words.addresses.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(),
              [&](uint32_t a, uint32_t b) { return words.addresses[a] < words.addresses[b]; });
    Words sorted;
    for (uint32_t i : order) {
      sorted.addresses.push_back(words.addresses[i]);
      sorted.expected.push_back(words.expected[i]);
      sorted.places.push_back(words.places[i]);
    }
    words = std::move(sorted);
  }

  void sort() {
    sort(counters_);
    sort(others_);
    add_up();
    is_sorted_ = true;
  }

  void add_up() { sum_ = std::accumulate(counters_.expected.begin(), counters_.expected.end(), uint64_t{0}); }

  Words counters_, others_;
  uint64_t sum_ = 0;
  bool is_sorted_ = true;
};

}  // namespace braze
