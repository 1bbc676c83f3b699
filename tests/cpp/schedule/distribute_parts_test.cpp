// Work on concatenations, done part by part.
#include <catch2/catch.hpp>

#include "graph/parse.h"
#include "graph/print.h"
#include "graph/verify.h"
#include "passes/pass.h"
#include "schedule/distribute_parts.h"
#include "schedule/random_graph.h"

using namespace braze;

TEST_CASE("a chain on a concatenation is computed by parts") {
  Graph graph = parse_graph(
      "graph\ninputs %0: f32[32:1], %1: f32[16:1], %2: f32[48:1]\n"
      "%3: f32[4,12:12,1] = empty\n"
      "%4: f32[4,12:12,1] = update at [4,8:12,1] %3[4,12:12,1], %0[4,8:8,1]\n"
      "%5: f32[4,12:12,1] = update at [4,4:12,1]+8 %4[4,12:12,1], %1[4,4:4,1]\n"
      "%6: f32[4,12:12,1] = exp %5[4,12:12,1]\n"
      "outputs %6\n");
  CHECK_FALSE(distribute_parts(graph));  // a part of four neighbours is not worth a loop

  graph = parse_graph(
      "graph\ninputs %0: f32[32:1], %1: f32[16:1], %2: f32[48:1]\n"
      "%3: f32[6,8:8,1] = empty\n"
      "%4: f32[6,8:8,1] = update at [4,8:8,1] %3[6,8:8,1], %0[4,8:8,1]\n"
      "%5: f32[6,8:8,1] = update at [2,8:8,1]+32 %4[6,8:8,1], %1[2,8:8,1]\n"
      "%6: f32[6,8:8,1] = exp %2[6,8:8,1]\n"
      "%7: f32[6,8:8,1] = add %5[6,8:8,1], %6[6,8:8,1]\n"
      "outputs %7\n");
  REQUIRE(distribute_parts(graph));
  dce(graph);
  verify(graph);
  CHECK(print(graph) ==
        "graph\ninputs %0: f32[32:1], %1: f32[16:1], %2: f32[48:1]\n"
        "%3: f32[4,8:8,1] = exp %2[4,8:8,1]\n"
        "%4: f32[4,8:8,1] = add %0[4,8:8,1], %3[4,8:8,1]\n"
        "%5: f32[2,8:8,1] = exp %2[2,8:8,1]+32\n"
        "%6: f32[2,8:8,1] = add %1[2,8:8,1], %5[2,8:8,1]\n"
        "%7: f32[6,8:8,1] = empty\n"
        "%8: f32[6,8:8,1] = update at [4,8:8,1] %7[6,8:8,1], %4[4,8:8,1]\n"
        "%9: f32[6,8:8,1] = update at [2,8:8,1]+32 %8[6,8:8,1], %6[2,8:8,1]\n"
        "outputs %9\n");
}

TEST_CASE("a concatenation that others read too stays as it is") {
  Graph graph = parse_graph(
      "graph\ninputs %0: f32[32:1]\n"
      "%1: f32[8,8:8,1] = empty\n"
      "%2: f32[8,8:8,1] = update at [4,8:8,1] %1[8,8:8,1], %0[4,8:8,1]\n"
      "%3: f32[8,8:8,1] = update at [4,8:8,1]+32 %2[8,8:8,1], %0[4,8:8,1]\n"
      "%4: f32[8,8:8,1] = exp %3[8,8:8,1]\n"
      "outputs %3, %4\n");
  CHECK_FALSE(distribute_parts(graph));
}

TEST_CASE("random programs keep their laws when distributed") {
  int distributed = 0;
  for (uint32_t seed = 0; seed < 600; ++seed) {
    Graph graph = random_program(seed, 20).graph;
    distributed += distribute_parts(graph);
    verify(graph);
    dce(graph);
    verify(graph);
  }
  CHECK(distributed > 60);
}
