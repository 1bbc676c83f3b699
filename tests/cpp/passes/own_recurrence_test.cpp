#include "passes/own_recurrence.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "pass_golden.h"

using namespace braze;

TEST_CASE("recurrent layers that kernels compute become primitives") {
  check_pass([](Graph& graph) { return own_recurrence(graph, [](const RecurrentLayer&) { return true; }); },
             "passes/own_recurrence", false);
}

TEST_CASE("recurrent layers that PyTorch computes faster stay") {
  Graph graph = parse_graph(R"(graph
inputs %0: f32[24:1], %1: f32[128:1], %2: f32[64:1], %3: f32[16:1], %4: f32[12:1]
%5: f32[2,3,4:12,4,1], %6: f32[3,4:4,1], %7: f32[3,4:4,1], %8: f32[9:1] = extern aten::mkldnn_rnn_layer($0, $1, $2, $3, $4, $5, $6, true, [], 2, 4, 1, true, false, false, true) returns(0, 1, 2, 3) of %0[2,3,4:12,4,1], %2[16,4:4,1], %2[16,4:4,1], %3[16:1], %3[16:1], %4[3,4:4,1], %4[3,4:4,1]
%9: f32[2,3,4:12,4,1] = extern aten::mkldnn_rnn_layer($0, $1, $2, $3, $4, $5, $6, true, [], 2, 4, 1, true, false, false, true) returns(0, -1, -1, -1) of %0[2,3,4:12,4,1], %2[16,4:4,1], %2[16,4:4,1], %3[16:1], %3[16:1], %4[3,4:4,1], %4[3,4:4,1]
outputs %5, %9
)");
  // A gradient needs the first layer's last result.
  int asked = 0;
  CHECK(!own_recurrence(graph, [&](const RecurrentLayer& call) {
    ++asked;
    return call.steps() != 2 || call.rows() != 3 || call.width() != 4 || call.units() != 4 || !call.backward;
  }));
  CHECK(asked == 1);
  CHECK(graph.nodes[0].op == Op::extern_);
  CHECK(graph.nodes[1].op == Op::extern_);
}

TEST_CASE("a layer's states follow from those before") {
  // Two units, of which the second sees the first; weights reach the candidate alone.
  const Graph graph = parse_graph(R"(graph
inputs %0: f32[16:1], %1: f32[16:1], %2: f32[2:1], %3: f32[2:1]
%4: f32[1,2,2,1,2,1,1:8,4,2,2,1,1,1] = lstm dims=[5,6] %0[1,2,2,1,2,4,2:16,0,8,2,1,2,0], %1[1,2,2,1,2,4,2:0,0,0,4,2,4,1], %2[1,2,2,1,2,4,2:2,0,0,0,0,0,1], %3[1,2,2,1,2,4,2:2,0,0,2,1,0,0]
outputs %4
)");
  verify(graph);
  std::vector<double> given(16, 0), weight(16, 0);
  given[4] = 1;               // the first step's candidate of unit 0
  weight[2 * 4 + 1 * 2] = 2;  // candidate of unit 1 by the hidden state of unit 0
  const std::vector<double> states = run_text(graph, {given, weight, {0.5, 0}, {0, 4}});
  const double cell0 = 0.5 * std::tanh(1), cell1 = 0.5 * 4 + 0.5 * std::tanh(2 * 0.5);
  CHECK(states[0] == Approx(0.5 * std::tanh(cell0)));
  CHECK(states[1] == Approx(0.5 * std::tanh(cell1)));
  CHECK(states[4] == Approx(cell0));
  CHECK(states[5] == Approx(cell1));
  CHECK(states[6] == Approx(0.5 * cell0));
  CHECK(states[7] == Approx(0.5 * cell1 + 0.5 * std::tanh(2 * states[0])));
}
