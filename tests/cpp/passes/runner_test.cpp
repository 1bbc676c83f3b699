#include <algorithm>
#include <catch2/catch.hpp>

#include "graph/parse.h"
#include "passes/pass.h"
#include "support/error.h"

using namespace braze;

namespace {

Graph relu_in_place() {
  return parse_graph(R"(graph
inputs %0: f32[12:1]
%1: f32[12:1] = extern aten::relu_($0) mutates(0->0) returns(-1) of %0[3,4:4,1]
mutates input 0 = %1
)");
}

}  // namespace

TEST_CASE("the runner reports each pass, and the text of those that changed the graph") {
  Graph graph = relu_in_place();
  auto records = run_passes(graph, {}, true);
  REQUIRE(records.size() >= 5);
  auto decomposed =
      std::find_if(records.begin(), records.end(), [](auto& record) { return record.name == "decompose"; });
  REQUIRE(decomposed != records.end());
  CHECK(decomposed->changed);
  CHECK(decomposed->graph_after.find("where") != std::string::npos);
  for (const PassRecord& record : records) CHECK(record.graph_after.empty() == !record.changed);
}

TEST_CASE("a disabled pass does not run, and an unknown name is the user's mistake") {
  Graph graph = relu_in_place();
  for (const PassRecord& record : run_passes(graph, {"decompose"})) CHECK(record.name != "decompose");
  CHECK(graph.nodes[0].op == Op::extern_);
  CHECK_THROWS_AS(run_passes(graph, {"decompos"}), Error);
}
