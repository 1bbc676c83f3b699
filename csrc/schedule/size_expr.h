// An integer of a program as an expression of the sizes that vary: a polynomial of degree at most 3 over symbols, with
// rational coefficients. Symbol i is a distinct size among the dims of a call's tensors; an expression is found from
// what the integer was in two or more recordings.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace braze {

class SizeExpr {
 public:
  SizeExpr() = default;  // 0
  static SizeExpr constant(int64_t value);
  static SizeExpr symbol(int position);

  /// Symbols by position, ascending; -1: none, and those stand first. (A batch of score matrices has three.)
  using Product = std::array<int, 3>;
  /// A product of symbols, `coefficient` times; the sum of all is divided by the denominator.
  struct Term {
    int64_t coefficient = 0;
    Product symbols = {-1, -1, -1};
    int degree() const {
      return static_cast<int>(std::count_if(symbols.begin(), symbols.end(), [](int s) { return s >= 0; }));
    }
    bool operator==(const Term&) const = default;
  };
  /// `terms` may repeat a product; `denominator` is positive.
  SizeExpr(const std::vector<Term>& terms, int64_t denominator);

  /// The value; nothing when it is not an integer or does not fit in one.
  std::optional<int64_t> evaluate(std::span<const int64_t> symbols) const;
  bool is_constant() const { return terms_.empty() || (terms_.size() == 1 && terms_[0].degree() == 0); }

  const std::vector<Term>& terms() const { return terms_; }  // highest degree first; none is 0
  int64_t denominator() const { return denominator_; }
  bool operator==(const SizeExpr&) const = default;

 private:
  std::vector<Term> terms_;
  int64_t denominator_ = 1;
};

/// As in "4*s0*s0 + 2*s0" and "(s0 - 1)/2".
std::string print(const SizeExpr& expr);

/// What an integer was in one recording.
struct SizeSample {
  std::span<const int64_t> symbols;
  int64_t value = 0;
};

/// The expressions that give every sample's value, simplest first: a constant; one product; sums of few. None when
/// nothing small fits. At least two samples; equally many symbols in each.
std::vector<SizeExpr> fit(std::span<const SizeSample> samples);

/// The simplest expression of each of the integers `a` (of a recording with `symbols_a`) and `b`, position by position;
/// nothing when one has none.
std::optional<std::vector<SizeExpr>> fit_all(std::span<const int64_t> a, std::span<const int64_t> b,
                                             std::span<const int64_t> symbols_a, std::span<const int64_t> symbols_b);

/// The candidates for an integer of which more recordings may still come.
class SizeCandidates {
 public:
  SizeCandidates() : exprs_{SizeExpr()} {}
  explicit SizeCandidates(std::vector<SizeExpr> exprs) : exprs_(std::move(exprs)) {}

  /// Drops what does not give this value; false when nothing is left, and then there is no best one.
  bool narrow(std::span<const int64_t> symbols, int64_t value);
  /// The simplest that is left.
  const SizeExpr& best() const { return exprs_.front(); }
  const std::vector<SizeExpr>& all() const { return exprs_; }

 private:
  std::vector<SizeExpr> exprs_;
};

/// As fit_all, with all that fits, for recordings that come later to choose from; nothing when an integer has none.
std::optional<std::vector<SizeCandidates>> fit_candidates(std::span<const int64_t> a, std::span<const int64_t> b,
                                                          std::span<const int64_t> symbols_a,
                                                          std::span<const int64_t> symbols_b);
/// Narrows all; false when one has nothing left, or the counts differ.
bool narrow_all(std::vector<SizeCandidates>& candidates, std::span<const int64_t> values,
                std::span<const int64_t> symbols);
/// The values of the best; nothing when one is not an integer.
std::optional<std::vector<int64_t>> evaluate_all(const std::vector<SizeCandidates>& candidates,
                                                 std::span<const int64_t> symbols);

}  // namespace braze
