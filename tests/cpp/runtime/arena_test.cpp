#include "runtime/arena.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <new>

using namespace braze;

TEST_CASE("arena: aligned and usable to its last byte, however big") {
  for (const int64_t bytes : {int64_t{1}, int64_t{1000}, (int64_t{9} << 20) + 8}) {
    const Arena arena(bytes);
    CHECK(reinterpret_cast<uintptr_t>(arena.data()) % 64 == 0);
    std::memset(arena.data(), 1, static_cast<size_t>(bytes));
  }
}

TEST_CASE("arena: no bytes, no memory; too many, an exception") {
  CHECK(Arena(0).data() == nullptr);
  CHECK_THROWS_AS(Arena(int64_t{1} << 60), std::bad_alloc);
}
