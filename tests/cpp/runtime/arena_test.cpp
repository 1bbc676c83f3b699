#include "runtime/arena.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <cstring>
#include <optional>
#include <set>
#include <thread>

using namespace braze;

TEST_CASE("arena: one user gets the same aligned block again") {
  ArenaPool pool(1000);
  CHECK(pool.idle_blocks() == 0);
  std::byte* first = pool.take().data();
  CHECK(reinterpret_cast<uintptr_t>(first) % 64 == 0);
  CHECK(pool.idle_blocks() == 1);
  CHECK(pool.take().data() == first);
  pool.trim();
  CHECK(pool.idle_blocks() == 0);
}

TEST_CASE("arena: no bytes, no block") {
  ArenaPool pool(0);
  CHECK(pool.take().data() == nullptr);
  CHECK(pool.idle_blocks() == 0);
}

TEST_CASE("arena: a big block is usable to its last byte") {
  const int64_t bytes = (int64_t{9} << 20) + 8;
  ArenaPool pool(bytes);
  ArenaPool::Lease lease = pool.take();
  CHECK(reinterpret_cast<uintptr_t>(lease.data()) % 64 == 0);
  std::memset(lease.data(), 1, static_cast<size_t>(bytes));
}

TEST_CASE("arena: calls within calls have blocks of their own, and not more than a few are kept") {
  ArenaPool pool(64);
  {
    std::vector<ArenaPool::Lease> leases;
    std::set<std::byte*> distinct;
    for (int i = 0; i < 40; ++i) {
      leases.push_back(pool.take());
      distinct.insert(leases.back().data());
    }
    CHECK(distinct.size() == 40);
  }
  CHECK(pool.idle_blocks() <= 20);
}

TEST_CASE("arena: threads never share a block") {
  ArenaPool pool(sizeof(int) * 16);
  std::atomic<bool> right{true};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20000; ++i) {
        ArenaPool::Lease lease = pool.take();
        int* memory = reinterpret_cast<int*>(lease.data());
        for (int k = 0; k < 16; ++k) memory[k] = t * 100000 + i;
        std::optional<ArenaPool::Lease> inner;
        if (i % 3 == 0) inner.emplace(pool.take());
        if (inner) std::memset(inner->data(), 0xff, sizeof(int) * 16);
        for (int k = 0; k < 16; ++k) right = right && memory[k] == t * 100000 + i;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(right);
  CHECK(pool.idle_blocks() <= 16);
}
