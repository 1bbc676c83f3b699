#include <catch2/catch.hpp>

#include "graph/parse.h"
#include "graph/print.h"
#include "graph/verify.h"
#include "pass_golden.h"
#include "passes/split_constants.h"

using namespace braze;

TEST_CASE("in-place calls on whole buffers become functional where weights are frozen") {
  check_pass(drop_in_place, "passes/drop_in_place", false);
}

TEST_CASE("a norm goes into the frozen convolution before it") {
  check_pass(fold_batch_norm, "passes/fold_batch_norm", false);
}

TEST_CASE("frozen convolutions take the addition and the activation after them") {
  check_pass(fuse_convolutions, "passes/fuse_convolutions", false);
}

TEST_CASE("channels are innermost between convolutions, and the caller sees eager's layout") {
  check_pass(channels_last, "passes/channels_last", false);
}

TEST_CASE("what depends on frozen inputs alone is a graph of its own") {
  Graph graph = parse_graph(R"(graph
inputs %0: f32[6:1], %1: f32[6:1] frozen, %2: f32[6:1]
%3: f32[6:1] = mul %1[6:1], 0x1p+1:f32
%4: f32[6:1] = exp %3[6:1]
%5: f32[6:1] = add %0[6:1], %4[6:1]
%6: f32[6:1] = add %5[6:1], %2[6:1]
outputs %6, %4
)");
  const ConstantPart part = split_constants(graph);
  verify(graph);
  verify(part.graph);
  CHECK(part.inputs == std::vector<int>{1});
  CHECK(print(part.graph) == R"(graph
inputs %0: f32[6:1] frozen
%1: f32[6:1] = mul %0[6:1], 0x1p+1:f32
%2: f32[6:1] = exp %1[6:1]
outputs %2
)");
  CHECK(print(graph) == R"(graph
inputs %0: f32[6:1], %1: f32[6:1] frozen, %2: f32[6:1], %3: f32[6:1] frozen
%4: f32[6:1] = add %0[6:1], %3[6:1]
%5: f32[6:1] = add %4[6:1], %2[6:1]
outputs %5, %3
)");
}

TEST_CASE("a graph without frozen inputs has nothing to split") {
  Graph graph = parse_graph("graph\ninputs %0: f32[6:1]\n%1: f32[6:1] = exp %0[6:1]\noutputs %1\n");
  CHECK(split_constants(graph).graph.outputs.empty());
  CHECK(graph.nodes.size() == 1);
}
