#include "passes/own_attention.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "pass_golden.h"

using namespace braze;

TEST_CASE("attention that kernels compute becomes primitives") {
  check_pass([](Graph& graph) { return own_attention(graph, [](const AttentionCall&) { return true; }); },
             "passes/own_attention", false);
}

TEST_CASE("attention that PyTorch computes faster stays") {
  Graph graph = parse_graph(R"(graph
inputs %0: f32[1024:1], %1: f32[4096:1]
%2: f32[1,4,16,16:1024,16,64,1] = extern aten::_scaled_dot_product_flash_attention_for_cpu($0, $1, $2, 0x0p+0, true, none, 0x1p-2) returns(0, -1) of %0[1,4,16,16:1024,256,16,1], %1[1,4,64,16:4096,1024,16,1], %1[1,4,64,16:4096,1024,16,1]
outputs %2
)");
  CHECK(!own_attention(graph, [](const AttentionCall& call) {
    return call.rows() != 16 || call.keys() != 64 || call.depth() != 16 || call.columns() != 16 || !call.causal ||
           call.scale != 0.25;
  }));
  CHECK(graph.nodes[0].op == Op::extern_);
}

TEST_CASE("attention means a softmax of scaled and masked products") {
  const Graph graph = parse_graph(R"(graph
inputs %0: f32[4:1], %1: f32[6:1], %2: f32[3:1], %3: f32[6:1]
%4: f32[2,1,1,1:1,1,1,1] = attend dims=[2,3] %0[2,1,3,2:2,0,0,1], %1[2,1,3,2:0,0,2,1], %2[2,1,3,2:0,1,1,0], %3[2,1,3,2:3,0,1,0], 0x1p-1:f32
%5: f32[2,1,1,1:1,1,1,1] = attend_causal dims=[2,3] %0[2,1,3,2:2,0,0,1], %1[2,1,3,2:0,0,2,1], %2[2,1,3,2:0,1,1,0], 0x0p+0:f32, 0x1p-1:f32
outputs %4, %5
)");
  verify(graph);
  constexpr double kNever = -INFINITY;
  const std::vector<std::vector<double>> inputs = {
      {1, 0, 0, 2}, {2, 0, 0, 2, 4, 4}, {10, 20, 30}, {0, 0, kNever, kNever, kNever, kNever}};
  // Row 0 has the scores 1, 0; row 1 sees nothing.
  const std::vector<double> masked = run_text(graph, inputs);
  const double e = std::exp(1);
  CHECK(masked[0] == Approx((10 * e + 20) / (e + 1)));
  CHECK(masked[1] == 0);
  Graph causal = graph;
  causal.outputs = {graph.outputs[1]};
  const std::vector<double> seen = run_text(causal, inputs);
  CHECK(seen[0] == Approx(10));
  CHECK(seen[1] == Approx((10 + 20 * e * e) / (1 + e * e)));  // the scores 0, 2
}
