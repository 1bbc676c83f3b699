#include "backends/reference/interpret_graph.h"

#include <catch2/catch.hpp>

#include "graph/parse.h"
#include "graph_run.h"
#include "support/error.h"

using namespace braze;

namespace {

std::vector<double> run(const std::string& lines, const std::vector<std::vector<double>>& inputs) {
  return run_text(parse_graph("graph\ninputs %0: f32[6:1], %1: i64[3:1]\n" + lines), inputs);
}

}  // namespace

TEST_CASE("each kind of node does what ops.def says") {
  const std::vector<std::vector<double>> in = {{1, 2, 3, 4, 5, 6}, {0, 2, -1}};
  using Numbers = std::vector<double>;
  CHECK(run("%2: f32[3,2:2,1] = add %0[3,2:1,3], 0x1p+0:f32\noutputs %2\n", in) == Numbers{2, 5, 3, 6, 4, 7});
  CHECK(run("%2: f32[2,1:1,1] = sum dims=[1] %0[2,3:3,1]\noutputs %2\n", in) == Numbers{6, 15});
  CHECK(run("%2: i64[1,1:1,1] = argmax dims=[0, 1] %0[2,3:3,1]\noutputs %2\n", in) == Numbers{5});
  CHECK(run("%2: i64[2,3:1,2] = index dim=1\noutputs %2\n", in) == Numbers{0, 0, 1, 1, 2, 2});
  CHECK(run("%2: f32[3:1] = gather %0[3:0], %1[3:1]{3*2}\noutputs %2\n", in) == Numbers{1, 5, 5});
  CHECK(run("%2: f32[6:1] = update at [2:3]+1 %0[6:1], 0x0p+0:f32\noutputs %2\n", in) == Numbers{1, 0, 3, 4, 0, 6});
  CHECK_THROWS_AS(run("%2: f32[3:1] = gather %0[3:0], %1[3:1]{2*2}\noutputs %2\n", in), Error);
}

TEST_CASE("extern nodes go to the callback, with new versions of what they write") {
  Graph graph = parse_graph(R"(graph
inputs %0: f32[2:1]
%1: f32[2:1] = extern aten::exotic_($0) mutates(0->0) returns(-1) of %0[2:1]
mutates input 0 = %1
)");
  const std::vector<Buffer> inputs = {buffer_of(DType::f32, {1, 2}, 2)};
  CHECK_THROWS_AS(interpret_graph(graph, inputs), Error);
  GraphRun result = interpret_graph(graph, inputs, [](const Graph&, const Node& node, std::vector<Buffer>& buffers) {
    CHECK(numbers_in(buffers[node.results[0]], DType::f32) == std::vector<double>{1, 2});
    buffers[node.results[0]] = buffer_of(DType::f32, {7, 8}, 2);
  });
  CHECK(numbers_in(result.mutations[0], DType::f32) == std::vector<double>{7, 8});
}
