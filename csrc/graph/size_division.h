// Division of sizes and offsets, where what a pass does depends on the quotient. A plan for many sizes has to know of
// it: a quotient that is a fraction of a size is rounded at some sizes, and may show nowhere in the plan.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace braze {

/// While one lives, the quotients that this thread computes are noted, in order.
class QuotientNotes {
 public:
  QuotientNotes() : outer_(std::exchange(current, &quotients_)) {}
  ~QuotientNotes() { current = outer_; }
  QuotientNotes(const QuotientNotes&) = delete;
  QuotientNotes& operator=(const QuotientNotes&) = delete;

  std::vector<int64_t> take() { return std::move(quotients_); }
  static void note(int64_t quotient) {
    if (current) current->push_back(quotient);
  }

 private:
  static inline thread_local std::vector<int64_t>* current = nullptr;
  std::vector<int64_t> quotients_;
  std::vector<int64_t>* outer_;
};

inline int64_t quotient_of_sizes(int64_t a, int64_t b) {
  QuotientNotes::note(a / b);
  return a / b;
}

inline int64_t remainder_of_sizes(int64_t a, int64_t b) {
  QuotientNotes::note(a / b);
  return a % b;
}

}  // namespace braze
