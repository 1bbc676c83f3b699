// Where values live: in place where nobody minds, in inputs and outputs where they end up, copied where something is
// still needed.
#include <catch2/catch.hpp>

#include "graph/parse.h"
#include "graph/verify.h"
#include "schedule/plan_text.h"

using namespace braze;

namespace {

/// The steps of a plan as lines, without the kernels.
std::vector<std::string> steps_of(const std::string& text, bool planned_memory = true) {
  const Graph graph = parse_graph(text);
  verify(graph);
  const Plan plan = schedule(graph, [&](const ExternCall&) { return planned_memory; });
  const std::string printed = print(plan);
  std::vector<std::string> lines;
  for (size_t at = 0; at < printed.size();) {
    const size_t end = printed.find('\n', at);
    const std::string line = printed.substr(at, end - at);
    if (line.starts_with("  run ") || line.starts_with("  call ")) lines.push_back(line.substr(2));
    at = end + 1;
  }
  return lines;
}

using Steps = std::vector<std::string>;

}  // namespace

TEST_CASE("an output that is an input is a copy") {
  CHECK(steps_of("graph\ninputs %0: f32[8:1]\noutputs %0\n") == Steps{"run kernel 0 in0 out0"});
}

TEST_CASE("one value as two outputs is computed once and copied") {
  CHECK(steps_of("graph\ninputs %0: f32[8:1]\n%1: f32[8:1] = neg %0[8:1]\noutputs %1, %1\n") ==
        Steps{"run kernel 0 in0 out0", "run kernel 1 out0 out1"});
}

TEST_CASE("a mutated input is written by the kernel that computes it") {
  CHECK(steps_of("graph\ninputs %0: f32[8:1]\n%1: f32[8:1] = neg %0[8:1]\nmutates input 0 = %1\n") ==
        Steps{"run kernel 0 in0 in0"});
}

TEST_CASE("a mutated input that is read elsewhere at the same point is copied at the end") {
  CHECK(steps_of("graph\ninputs %0: f32[64:1]\n%1: f32[8,8:8,1] = neg %0[8,8:1,8]\nmutates input 0 = %1\n") ==
        Steps{"run kernel 0 in0 arena+0", "run kernel 1 arena+0 in0"});
}

TEST_CASE("inputs that trade contents pass through the arena") {
  CHECK(steps_of("graph\ninputs %0: f32[8:1], %1: f32[8:1]\nmutates input 0 = %1\nmutates input 1 = %0\n") ==
        Steps{"run kernel 0 in1 arena+0", "run kernel 0 in0 arena+64", "run kernel 0 arena+0 in0",
              "run kernel 0 arena+64 in1"});
}

TEST_CASE("a version that is still wanted is copied before it is written over") {
  const Steps steps = steps_of(
      "graph\ninputs %0: f32[8:1], %1: f32[4:1]\n%2: f32[8:1] = exp %0[8:1]\n"
      "%3: f32[8:1] = update at [4:1] %2[8:1], %1[4:1]\noutputs %2, %3\n");
  CHECK(steps == Steps{"run kernel 0 in0 out0", "run kernel 1 out0 out1", "run kernel 2 in1 out1"});
}

TEST_CASE("parts of an output are written where they belong") {
  const Steps steps = steps_of(
      "graph\ninputs %0: f32[8:1], %1: f32[4:1]\n%2: f32[12:1] = empty\n%3: f32[8:1] = exp %0[8:1]\n"
      "%4: f32[12:1] = update at [8:1] %2[12:1], %3[8:1]\n%5: f32[12:1] = update at [4:1]+8 %4[12:1], %1[4:1]\noutputs "
      "%5\n");
  CHECK(steps == Steps{"run kernel 0 in0 out0", "run kernel 1 in1 out0"});
}

TEST_CASE("a library result goes where its reader wants it, or is handed out") {
  const std::string text =
      "graph\ninputs %0: f32[16:1]\n%1: f32[4,4:4,1] = extern aten::mm.default($0, $0) returns(0) of %0[4,4:4,1]\n";
  CHECK(steps_of(text + "outputs %1\n") == Steps{"call aten::mm.default(in0 f32[4,4:4,1]) into out0 f32[4,4:4,1]"});
  CHECK(steps_of(text + "outputs %1\n", false) ==
        Steps{"call aten::mm.default(in0 f32[4,4:4,1]) gives owned0 f32[4,4:4,1]"});
  const std::string after = "%2: f32[4,4:4,1] = tanh %1[4,4:4,1]\noutputs %2\n";
  CHECK(steps_of(text + after) ==
        Steps{"call aten::mm.default(in0 f32[4,4:4,1]) into out0 f32[4,4:4,1]", "run kernel 0 out0 out0"});
}

TEST_CASE("an operator that writes its operand gets a copy of what others still read") {
  const std::string call =
      "%2: f32[8:1] = extern aten::relu_.default($0) mutates(0->0) returns(-1) of %1[8:1]\noutputs ";
  const std::string text = "graph\ninputs %0: f32[8:1]\n%1: f32[8:1] = exp %0[8:1]\n" + call;
  CHECK(steps_of(text + "%2\n") == Steps{"run kernel 0 in0 out0", "call aten::relu_.default(out0 f32[8:1])"});
  CHECK(steps_of(text + "%1, %2\n") ==
        Steps{"run kernel 0 in0 out0", "run kernel 1 out0 out1", "call aten::relu_.default(out1 f32[8:1])"});
}

TEST_CASE("an input is not written unless it ends so") {
  const Steps steps = steps_of(
      "graph\ninputs %0: f32[8:1], %1: f32[4:1]\n%2: f32[8:1] = update at [4:1] %0[8:1], %1[4:1]\noutputs %2\n");
  CHECK(steps == Steps{"run kernel 0 in0 out0", "run kernel 1 in1 out0"});
}

TEST_CASE("nothing runs for values without elements") {
  CHECK(steps_of("graph\ninputs %0: f32[0:1]\n%1: f32[3,0:1,1] = neg %0[3,0:1,1]\noutputs %1\n").empty());
  CHECK(steps_of("graph\ninputs %0: f32[0:1]\n%1: f32[3,1:1,1] = sum dims=[1] %0[3,0:1,1]\noutputs %1\n").size() == 1);
}
