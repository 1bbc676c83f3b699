// The trial of an entry against eager: when it is decided, and in whose favour.
#include "frontend/call/trial.h"

#include <catch2/catch.hpp>

using braze::Trial;

namespace {

/// Feeds alternating samples until the verdict falls or `calls` calls are made; returns the calls made.
int run(Trial& trial, int64_t compiled_ns, int64_t eager_ns, int calls) {
  for (int i = 0; i < calls; ++i) {
    if (trial.verdict() != Trial::Verdict::Undecided) return i;
    trial.next_is_eager() ? trial.add_eager(eager_ns) : trial.add_compiled(compiled_ns);
  }
  return calls;
}

}  // namespace

TEST_CASE("an entry that is faster is decided after three samples each") {
  Trial trial;
  REQUIRE(run(trial, 100, 200, 100) == 6);
  REQUIRE(trial.verdict() == Trial::Verdict::Faster);
}

TEST_CASE("three percent above eager is still accepted") {
  Trial trial;
  REQUIRE(run(trial, 103, 100, 100) == 6);
  REQUIRE(trial.verdict() == Trial::Verdict::Faster);
}

TEST_CASE("a slower entry is dropped after eight samples each") {
  Trial trial;
  REQUIRE(run(trial, 104, 100, 100) == 16);
  REQUIRE(trial.verdict() == Trial::Verdict::Slower);
}

TEST_CASE("a slow start is forgiven: the best samples are compared") {
  Trial trial;
  run(trial, 1000, 100, 6);
  REQUIRE(trial.verdict() == Trial::Verdict::Undecided);
  run(trial, 90, 100, 100);
  REQUIRE(trial.verdict() == Trial::Verdict::Faster);
  REQUIRE(*trial.compiled_microseconds() == Approx(0.09));
}

TEST_CASE("an entry that is not on trial is used at once and has no times") {
  Trial trial;
  trial.skip();
  REQUIRE(trial.verdict() == Trial::Verdict::Faster);
  REQUIRE_FALSE(trial.compiled_microseconds().has_value());
}
