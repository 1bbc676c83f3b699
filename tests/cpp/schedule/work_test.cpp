// What a plan's steps have to move and to compute.
#include "schedule/work.h"

#include <catch2/catch.hpp>

#include "graph/parse.h"
#include "graph/verify.h"

using namespace braze;

namespace {

std::vector<Work> work_of(const std::string& text) {
  const Graph graph = parse_graph(text);
  verify(graph);
  const Plan plan = schedule(graph, [](const ExternCall&) { return true; });
  std::vector<Work> all;
  for (const Step& step : plan.steps) all.push_back(work_of(plan, step));
  return all;
}

}  // namespace

TEST_CASE("a product and the kernel behind it") {
  const auto work = work_of(R"(graph
inputs %0: f32[8192:1], %1: f32[16384:1], %2: f32[256:1]
%3: f32[128,256:256,1] = extern aten::mm.default($0, $1) returns(0) of %0[128,64:64,1], %1[64,256:256,1]
%4: f32[128,256:256,1] = add %3[128,256:256,1], %2[128,256:0,1]
%5: f32[128,256:256,1] = erf %4[128,256:256,1]
outputs %5
)");
  REQUIRE(work.size() == 2);
  CHECK(work[0].flops == 2.0 * 128 * 256 * 64);
  CHECK(work[0].bytes == 4.0 * (128 * 64 + 64 * 256 + 128 * 256));
  CHECK(work[1].flops == 2.0 * 128 * 256);
  CHECK(work[1].bytes == 4.0 * (128 * 256 + 256 + 128 * 256));
}

TEST_CASE("what is read twice is moved once, and copies compute nothing") {
  const auto work = work_of(R"(graph
inputs %0: f32[64:1]
%1: f32[60:1] = add %0[60:1], %0[60:1]+4
%2: f64[60:1] = cast %1[60:1]
outputs %2
)");
  REQUIRE(work.size() == 1);
  CHECK(work[0].flops == 60);
  CHECK(work[0].bytes == 4.0 * 64 + 8.0 * 60);
}

TEST_CASE("rows of a reduction are computed once") {
  const auto work = work_of(R"(graph
inputs %0: f32[3072:1]
%1: f32[4,1:1,1] = sum dims=[1] %0[4,768:768,1]
%2: f32[4,1:1,1] = mul %1[4,1:1,1], 0x1p-1:f32
outputs %2
)");
  REQUIRE(work.size() == 1);
  CHECK(work[0].flops == 4.0 * 768 + 4);
  CHECK(work[0].bytes == 4.0 * 3072 + 4.0 * 4);
}
