// Integers of a recording that vary with sizes, position by position. They tell where between recorded sizes a program
// might not be what was recorded: where one of them would not be an integer (half of an odd size, say, which may only
// show as a whole number once it is multiplied), and, when one is a fraction of a size at all, anywhere: a quotient
// that was rounded goes up and down beside the line through the sizes that were seen.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "graph/graph.h"
#include "schedule/size_expr.h"

namespace braze {

class VaryingIntegers {
 public:
  /// Nothing when an integer is no expression of the symbols.
  static std::optional<VaryingIntegers> fit(std::span<const int64_t> a, std::span<const int64_t> b,
                                            std::span<const int64_t> symbols_a, std::span<const int64_t> symbols_b);
  /// Takes another recording; false, and nothing changes, when it does not fit.
  bool narrow(std::span<const int64_t> values, std::span<const int64_t> symbols);
  bool are_integers(std::span<const int64_t> symbols) const;
  /// None is a fraction of a size.
  bool have_no_fractions() const;

 private:
  std::vector<std::pair<int64_t, int>> places_;  // the value and -1 where it does not vary; else 0 and which one
  std::vector<SizeCandidates> distinct_;
};

/// All sizes, strides, offsets and integer arguments of a graph as it was recorded.
std::vector<int64_t> integers_of(const Graph& graph);

}  // namespace braze
