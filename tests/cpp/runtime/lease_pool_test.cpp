#include "runtime/lease_pool.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <optional>
#include <set>
#include <thread>

using namespace braze;

namespace {

using Block = std::array<int, 16>;

struct Fixture {
  std::atomic<int> made{0};
  LeasePool<Block> pool{[this] {
    ++made;
    return std::make_unique<Block>();
  }};
};

}  // namespace

TEST_CASE_METHOD(Fixture, "lease pool: one user gets the same thing again") {
  Block* first = &*pool.take();
  for (int i = 0; i < 10; ++i) CHECK(&*pool.take() == first);
  CHECK(made == 1);
}

TEST_CASE_METHOD(Fixture, "lease pool: calls within calls have things of their own, and not more than a few are kept") {
  const auto hold_forty = [&] {
    std::vector<LeasePool<Block>::Lease> leases;
    std::set<Block*> distinct;
    for (int i = 0; i < 40; ++i) {
      leases.push_back(pool.take());
      distinct.insert(&*leases.back());
    }
    return distinct.size();
  };
  CHECK(hold_forty() == 40);
  CHECK(hold_forty() == 40);
  CHECK(made == 40 + 40 - 17);
}

TEST_CASE("lease pool: things clean up after each call") {
  struct Thing {
    int held = 0;
    void end_call() { held = 0; }
  };
  LeasePool<Thing> pool([] { return std::make_unique<Thing>(); });
  pool.take()->held = 7;
  CHECK(pool.take()->held == 0);
}

TEST_CASE("lease pool: what cannot be made is the caller's exception, and costs nothing later") {
  bool fail = true;
  LeasePool<Block> pool([&] { return fail ? throw std::bad_alloc() : std::make_unique<Block>(); });
  CHECK_THROWS_AS(pool.take(), std::bad_alloc);
  fail = false;
  CHECK(pool.take()->size() == 16);
}

TEST_CASE_METHOD(Fixture, "lease pool: threads never share a thing") {
  std::atomic<bool> right{true};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20000; ++i) {
        const auto lease = pool.take();
        lease->fill(t * 100000 + i);
        std::optional<LeasePool<Block>::Lease> inner;
        if (i % 3 == 0) inner.emplace(pool.take());
        if (inner) (*inner)->fill(-1);
        right = right && std::all_of(lease->begin(), lease->end(), [&](int value) { return value == t * 100000 + i; });
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(right);
  CHECK(made <= 16);
}
