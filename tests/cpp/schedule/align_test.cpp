// Aligning the dims of two groups through what one writes and the other reads.
#include <catch2/catch.hpp>

#include "schedule/align.h"

using namespace braze;

namespace {

/// A group of one node over `dims`, writing and reading as told.
FusionGroup group(std::vector<GroupDim> dims, std::vector<int64_t> written, std::vector<int64_t> read = {}) {
  FusionGroup result;
  result.dims = std::move(dims);
  Member member;
  member.result.strides = std::move(written);
  Source source;
  source.value = 0;
  source.map.strides = read.empty() ? member.result.strides : std::move(read);
  member.sources = {source};
  result.members = {member};
  return result;
}

std::optional<Alignment> align_link(const FusionGroup& producer, const FusionGroup& consumer) {
  return align(producer, consumer, {{&producer.members[0].result, &consumer.members[0].sources[0].map}}, {});
}

}  // namespace

TEST_CASE("a reshape aligns by splitting dims") {
  const auto flat = group({{24}}, {1});
  const auto square = group({{4}, {6}}, {6, 1});
  const auto alignment = align_link(flat, square);
  REQUIRE(alignment);
  REQUIRE(alignment->producer_splits.size() == 1);
  CHECK(alignment->producer_splits[0].inner == 6);
  CHECK(alignment->producer_dim == std::vector<int>{0, 1});
  CHECK(align_link(square, flat));
}

TEST_CASE("a permuted reader aligns") {
  const auto alignment = align_link(group({{4}, {6}}, {6, 1}), group({{6}, {4}}, {4, 1}, {1, 6}));
  REQUIRE(alignment);
  CHECK(alignment->producer_dim == std::vector<int>{1, 0});
}

TEST_CASE("numberings without a common refinement do not align") {
  CHECK_FALSE(align_link(group({{4}, {6}}, {6, 1}), group({{6}, {4}}, {4, 1})));
}

TEST_CASE("a slice and an overlapping window do not align") {
  CHECK_FALSE(align_link(group({{4}, {6}}, {6, 1}), group({{4}, {3}}, {3, 1}, {6, 1})));
  CHECK_FALSE(align_link(group({{8}}, {1}), group({{3}, {4}}, {4, 1}, {2, 1})));
  auto late = group({{24}}, {1});
  late.members[0].sources[0].map.offset = 1;
  CHECK_FALSE(align_link(group({{24}}, {1}), late));
}

TEST_CASE("a broadcast reader has dims of its own") {
  const auto alignment = align_link(group({{4}}, {1}), group({{4}, {6}}, {6, 1}, {1, 0}));
  REQUIRE(alignment);
  CHECK(alignment->broadcasts);
  CHECK_FALSE(alignment->only_reduced_added);
  CHECK(alignment->producer_dim == std::vector<int>{0, -1});
}

TEST_CASE("row statistics align with what spreads them over the row again") {
  // The producer reduces dim 1 of [4,6]; the consumer reads the result at every point of [4,6].
  const auto statistics = group({{4}, {6, true}}, {1, 0}, {6, 1});
  const auto spread = group({{4}, {6}}, {6, 1}, {1, 0});
  const auto alignment = align_link(statistics, spread);
  REQUIRE(alignment);
  CHECK_FALSE(alignment->broadcasts);
  CHECK(alignment->producer_dim == std::vector<int>{0, 1});
  CHECK_FALSE(align_link(statistics, group({{4}, {5}}, {5, 1}, {1, 0})));
}

TEST_CASE("what is made once a row and read by a reduction of rows joins as row value") {
  const auto alignment = align_link(group({{4}}, {1}), group({{4}, {6, true}}, {1, 0}, {1, 0}));
  REQUIRE(alignment);
  CHECK(alignment->broadcasts);
  CHECK(alignment->only_reduced_added);
}
