// Races: whose turn it is, and when they are over.
#include "frontend/library/race.h"

#include <catch2/catch.hpp>

using braze::Race;

namespace {

constexpr Race::Effort kEffort = {.fewest = 3, .most = 12, .enough = 1.0};

/// Runs ways that take these seconds until the race is over; returns how often each was run.
std::vector<int> run(Race& race, const std::vector<double>& seconds) {
  std::vector<int> runs(seconds.size(), 0);
  while (!race.is_over()) {
    const size_t way = race.next();
    ++runs[way];
    race.add(way, seconds[way]);
  }
  return runs;
}

}  // namespace

TEST_CASE("ways take turns, as often as is enough") {
  Race race(2, kEffort);
  CHECK(run(race, {0.21, 0.2}) == std::vector<int>{5, 5});
  CHECK(race.fastest() == 1);
}

TEST_CASE("long runs are made as seldom as may be, short ones no more often than is worth it") {
  Race slow(2, kEffort), quick(2, kEffort);
  CHECK(run(slow, {2.0, 2.1}) == std::vector<int>{3, 3});
  CHECK(run(quick, {1e-6, 1.01e-6}) == std::vector<int>{12, 12});
}

TEST_CASE("a way that is far behind drops out, but not after one run") {
  Race race(3, kEffort);
  CHECK(run(race, {0.2, 1.0, 0.21}) == std::vector<int>{5, 2, 5});
  CHECK(race.fastest() == 0);
}

TEST_CASE("two ways of which one is far behind need no more runs") {
  Race race(2, kEffort);
  CHECK(run(race, {0.01, 0.02}) == std::vector<int>{2, 2});
}

TEST_CASE("a disturbed run does not decide") {
  Race race(2, kEffort);
  race.add(race.next(), 9.0);
  race.add(race.next(), 0.3);
  REQUIRE_FALSE(race.is_over());
  run(race, {0.2, 0.3});
  CHECK(race.fastest() == 0);
}

TEST_CASE("a run that another thread finishes late is counted, and the other ways catch up") {
  Race race(2, kEffort);
  race.add(0, 0.5);
  race.add(0, 0.5);
  CHECK(race.next() == 1);
  CHECK_FALSE(race.is_over());
  race.add(1, 0.4);
  CHECK(race.next() == 1);
}

TEST_CASE("one way is no race") {
  Race race(1, kEffort);
  CHECK(race.is_over());
  CHECK(race.fastest() == 0);
}
