// Expressions of sizes: arithmetic, text, and finding them from samples.
#include "schedule/size_expr.h"

#include <catch2/catch.hpp>
#include <limits>

using namespace braze;

namespace {

using Sizes = std::vector<int64_t>;

const SizeExpr s0 = SizeExpr::symbol(0);

std::vector<std::string> texts(const std::vector<SizeExpr>& exprs) {
  std::vector<std::string> all;
  for (const SizeExpr& expr : exprs) all.push_back(print(expr));
  return all;
}

/// The simplest fit for values at two lists of symbols.
std::string best(const Sizes& a, const Sizes& b, int64_t at_a, int64_t at_b) {
  const auto found = fit(std::vector<SizeSample>{{a, at_a}, {b, at_b}});
  return found.empty() ? "" : print(found.front());
}

}  // namespace

TEST_CASE("sizes print and evaluate") {
  const SizeExpr zero;
  CHECK(print(zero) == "0");
  CHECK(zero.is_constant());
  CHECK(zero.evaluate({}) == 0);
  CHECK(print(SizeExpr::constant(-7)) == "-7");
  CHECK(print(s0) == "s0");
  const SizeExpr quadratic({{4, {-1, 0, 0}}, {2, {-1, -1, 0}}}, 1);
  CHECK(print(quadratic) == "4*s0*s0 + 2*s0");
  CHECK(quadratic.evaluate(Sizes{3}) == 42);
  const SizeExpr half({{1, {-1, -1, 0}}, {-1, {-1, -1, -1}}}, 2);
  CHECK(print(half) == "(s0 - 1)/2");
  CHECK(half.evaluate(Sizes{7}) == 3);
  CHECK(half.evaluate(Sizes{8}) == std::nullopt);
  CHECK(print(SizeExpr({{3, {-1, 0, 1}}, {-6, {-1, -1, 1}}}, 6)) == "(s0*s1 - 2*s1)/2");
  CHECK(print(SizeExpr({{2, {-1, -1, 0}}, {-2, {-1, -1, 0}}}, 3)) == "0");
  CHECK(print(SizeExpr({{-1, {-1, -1, 0}}}, 3)) == "-s0/3");
}

TEST_CASE("sizes that do not fit in an integer have no value") {
  const int64_t most = std::numeric_limits<int64_t>::max();
  CHECK(SizeExpr({{2, {-1, -1, 0}}}, 1).evaluate(Sizes{most}) == std::nullopt);
  CHECK(SizeExpr({{most, {-1, 0, 0}}}, 1).evaluate(Sizes{most}) == std::nullopt);
  CHECK(s0.evaluate(Sizes{most}) == most);
}

TEST_CASE("one symbol: the simple form is found") {
  CHECK(best({8}, {12}, 5, 5) == "5");
  CHECK(best({8}, {12}, 8, 12) == "s0");
  CHECK(best({8}, {12}, 8 * 768, 12 * 768) == "768*s0");
  CHECK(best({8}, {12}, 4, 6) == "s0/2");
  CHECK(best({8}, {12}, 64, 144) == "s0*s0");
  CHECK(best({8}, {12}, 12 * 64, 12 * 144) == "12*s0*s0");
  CHECK(best({8}, {12}, 9, 13) == "s0 + 1");
  CHECK(best({8}, {12}, 64 * 6, 64 * 10) == "64*s0 - 128");
  CHECK(best({9}, {13}, 4, 6) == "(s0 - 1)/2");
  CHECK(best({8}, {12}, 72, 156) == "s0*s0 + s0");
  CHECK(best({8}, {12}, 81, 169) == "s0*s0 + 2*s0 + 1");
  CHECK(best({7}, {11}, 28, 66) == "(s0*s0 + s0)/2");
}

TEST_CASE("several symbols: products and sums") {
  CHECK(best({8, 5}, {12, 6}, 40, 72) == "s0*s1");
  CHECK(best({8, 5}, {12, 6}, 5 * 64, 6 * 64) == "64*s1");
  CHECK(best({8, 5}, {12, 6}, 13, 18) == "s0 + s1");
  CHECK(best({8, 5}, {12, 6}, 13 * 64, 18 * 64) == "64*s0 + 64*s1");
  CHECK(best({8, 5, 3}, {12, 6, 7}, 16, 25) == "s0 + s1 + s2");
  CHECK(best({8, 5}, {12, 6}, 7 * 6, 11 * 7) == "s0*s1 + s0 - s1 - 1");
}

TEST_CASE("a batch of matrices has three factors") {
  CHECK(best({3, 12}, {7, 20}, 3 * 4 * 144, 7 * 4 * 400) == "4*s0*s1*s1");
  CHECK(best({3, 12}, {7, 20}, 3 * 169, 7 * 441) == "s0*s1*s1 + 2*s0*s1 + s0");
  CHECK(best({3, 12, 5}, {7, 20, 8}, 180, 1120) == "s0*s1*s2");
  CHECK(SizeExpr({{2, {0, 1, 1}}}, 1).evaluate(Sizes{3, 5}) == 150);
}

TEST_CASE("a third sample decides") {
  const Sizes a = {8}, b = {12}, c = {20};
  // 20*s0 - 96 is 64 at 8 and 144 at 12, as s0*s0 is.
  CHECK(texts(fit(std::vector<SizeSample>{{a, 64}, {b, 144}, {c, 304}})).front() == "20*s0 - 96");
  CHECK(texts(fit(std::vector<SizeSample>{{a, 64}, {b, 144}, {c, 400}})).front() == "s0*s0");
  CHECK(fit(std::vector<SizeSample>{{a, 64}, {b, 144}, {c, 401}}).empty());
  SizeCandidates candidates(fit(std::vector<SizeSample>{{a, 64}, {b, 144}}));
  CHECK(print(candidates.best()) == "s0*s0");
  CHECK(candidates.narrow(c, 304));
  CHECK(print(candidates.best()) == "20*s0 - 96");
  CHECK(!candidates.narrow(c, 305));
}

TEST_CASE("what no small expression gives has none") {
  CHECK(best({8}, {8}, 1, 2) == "");
  CHECK(best({1000003}, {1000033}, 17, 92837465) == "");
  CHECK(best({8}, {12}, std::numeric_limits<int64_t>::max(), 1) == "");
}

TEST_CASE("lists of integers are fitted together") {
  const Sizes symbols_a = {8}, symbols_b = {12}, symbols_c = {30};
  const Sizes a = {8, 3, 64, 16}, b = {12, 3, 144, 20}, c = {30, 3, 900, 38};
  const auto exprs = fit_all(a, b, symbols_a, symbols_b);
  REQUIRE(exprs);
  CHECK(texts(*exprs) == std::vector<std::string>{"s0", "3", "s0*s0", "s0 + 8"});
  CHECK(!fit_all(Sizes{1}, Sizes{1, 2}, symbols_a, symbols_b));
  auto candidates = fit_candidates(a, b, symbols_a, symbols_b);
  REQUIRE(candidates);
  CHECK(narrow_all(*candidates, c, symbols_c));
  CHECK(evaluate_all(*candidates, Sizes{5}) == Sizes{5, 3, 25, 13});
}
