#include "graph/geometry.h"

#include <catch2/catch.hpp>
#include <numeric>
#include <random>
#include <set>

using namespace braze;

namespace {

/// The addresses a window shows, in row-major order.
std::vector<int64_t> addresses(const Geometry& g) {
  std::vector<int64_t> result;
  for (int64_t i = 0; i < g.numel(); ++i) {
    int64_t rest = i, at = g.offset;
    for (size_t d = g.sizes.size(); d-- > 0; rest /= g.sizes[d]) at += rest % g.sizes[d] * g.strides[d];
    result.push_back(at);
  }
  return result;
}

Geometry random_permutation(std::mt19937& random, const std::vector<int64_t>& sizes, int64_t gap) {
  std::vector<size_t> order(sizes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::shuffle(order.begin(), order.end(), random);
  Geometry g{static_cast<int64_t>(random() % 3), sizes, std::vector<int64_t>(sizes.size())};
  int64_t stride = 1 + random() % gap;
  for (size_t d : order) {
    g.strides[d] = stride;
    stride *= sizes[d] * (1 + random() % gap);
  }
  return g;
}

}  // namespace

TEST_CASE("look_through shows what the copy shows") {
  std::mt19937 random(11);
  int found = 0;
  for (int round = 0; round < 20000; ++round) {
    std::vector<int64_t> sizes;
    for (size_t d = 1 + random() % 3; d > 0; --d) sizes.push_back(1 + random() % 4);
    Geometry region = random_permutation(random, sizes, 2), source = random_permutation(random, sizes, 3);
    Geometry window{static_cast<int64_t>(random() % 8), {}, {}};
    for (size_t d = random() % 3; d > 0; --d) {
      window.sizes.push_back(1 + random() % 4);
      window.strides.push_back(random() % 7);
    }
    auto seen = look_through(window, region, source);
    if (!seen) continue;
    ++found;
    const std::vector<int64_t> written = addresses(region), read = addresses(source);
    const std::vector<int64_t> wanted = addresses(window), got = addresses(*seen);
    REQUIRE(wanted.size() == got.size());
    for (size_t i = 0; i < wanted.size(); ++i) {
      auto position = std::find(written.begin(), written.end(), wanted[i]);
      REQUIRE(position != written.end());
      CHECK(read[position - written.begin()] == got[i]);
    }
  }
  CHECK(found > 1000);
}

TEST_CASE("look_through sees through transposes, slices and flattening") {
  const Geometry matrix = Geometry::contiguous({4, 6});
  CHECK(look_through({0, {6, 4}, {1, 6}}, matrix, {3, {4, 6}, {1, 10}}) == Geometry{3, {6, 4}, {10, 1}});
  CHECK(look_through({7, {2, 3}, {6, 1}}, matrix, matrix) == Geometry{7, {2, 3}, {6, 1}});
  CHECK(look_through({0, {24}, {1}}, matrix, {5, {4, 6}, {6, 1}}) == Geometry{5, {24}, {1}});
  CHECK_FALSE(look_through({0, {24}, {1}}, matrix, {0, {4, 6}, {1, 4}}));
  CHECK_FALSE(look_through({0, {4, 7}, {6, 1}}, {0, {4, 6}, {12, 1}}, matrix));
}

TEST_CASE("are_disjoint never lies") {
  std::mt19937 random(5);
  int disjoint = 0;
  for (int round = 0; round < 20000; ++round) {
    auto window = [&] {
      Geometry g{static_cast<int64_t>(random() % 12), {}, {}};
      for (size_t d = 1 + random() % 2; d > 0; --d) {
        g.sizes.push_back(random() % 4);
        g.strides.push_back(random() % 9);
      }
      return g;
    };
    Geometry a = window(), b = window();
    if (!are_disjoint(a, b)) continue;
    ++disjoint;
    std::vector<int64_t> left = addresses(a);
    std::set<int64_t> seen(left.begin(), left.end());
    for (int64_t at : addresses(b)) CHECK(seen.count(at) == 0);
  }
  CHECK(disjoint > 1000);
  CHECK(are_disjoint({0, {4, 2}, {8, 1}}, {2, {4, 2}, {8, 1}}));
}

TEST_CASE("broadcasting aligns at the last dim") {
  CHECK(broadcast_sizes({3, 1}, {4}) == std::vector<int64_t>{3, 4});
  CHECK(broadcast_sizes({}, {2, 0}) == std::vector<int64_t>{2, 0});
  CHECK_FALSE(broadcast_sizes({3}, {4}));
  CHECK(broadcast_to({2, {3, 1}, {5, 1}}, {2, 3, 4}) == Geometry{2, {2, 3, 4}, {0, 5, 0}});
  CHECK_FALSE(broadcast_to({0, {3}, {1}}, {4}));
}

TEST_CASE("laid_out_like keeps memory order across dims of size 1") {
  const Geometry channels_last{0, {2, 3, 4, 5}, {60, 1, 15, 3}};
  CHECK(laid_out_like(channels_last, {2, 3, 4, 5}) == channels_last);
  CHECK(laid_out_like(channels_last, {2, 1, 3, 4, 5}) == Geometry{0, {2, 1, 3, 4, 5}, {60, 1, 1, 15, 3}});
  CHECK(laid_out_like(channels_last, {2, 3, 1, 5}) == Geometry::contiguous({2, 3, 1, 5}));
}
