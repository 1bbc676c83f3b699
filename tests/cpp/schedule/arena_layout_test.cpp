// Offsets in one arena: aligned, apart while alive, reused after.
#include <catch2/catch.hpp>
#include <random>

#include "schedule/arena_layout.h"

using namespace braze;

TEST_CASE("arena: a buffer that is dead leaves its place") {
  std::vector<ArenaRequest> requests = {{100, 0, 1}, {100, 1, 2}, {100, 2, 3}};
  CHECK(lay_out_arena(requests) == 256);
  CHECK(requests[0].offset == requests[2].offset);
  CHECK(requests[0].offset != requests[1].offset);
}

TEST_CASE("arena: buffers alive together never overlap") {
  std::mt19937 random(3);
  for (int round = 0; round < 50; ++round) {
    std::vector<ArenaRequest> requests(60);
    for (ArenaRequest& request : requests) {
      request.bytes = random() % 5000;
      request.start = random() % 40;
      request.end = request.start + random() % 10;
    }
    const int64_t bytes = lay_out_arena(requests);
    for (const ArenaRequest& a : requests) {
      CHECK(a.offset % 64 == 0);
      CHECK(a.offset + a.bytes <= bytes);
      for (const ArenaRequest& b : requests) {
        if (&a == &b || a.bytes == 0 || b.bytes == 0 || a.end < b.start || b.end < a.start) continue;
        CHECK((a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset));
      }
    }
  }
}
