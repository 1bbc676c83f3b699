#include "graph/verify.h"

#include <catch2/catch.hpp>

#include "graph/parse.h"
#include "support/error.h"

using namespace braze;

namespace {

std::string broken_law(const std::string& lines) {
  try {
    verify(parse_graph("graph\ninputs %0: f32[12:1], %1: i64[3:1]\n" + lines));
  } catch (const Error& error) {
    CHECK(error.kind() == Error::Kind::Internal);
    std::string text = error.what();
    return text.substr(0, text.find('\n'));
  }
  return "";
}

}  // namespace

TEST_CASE("a sound graph passes") {
  CHECK(broken_law(R"(
%2: f32[3,4:4,1] = mul %0[3,4:4,1], %0[3,4:0,1]
%3: f32[3,1:1,1] = max dims=[1] %2[3,4:4,1]
%4: i64[3,1:1,1] = argmax dims=[1] %2[3,4:4,1]
%5: f32[3,4:4,1] = gather %2[3,4:0,1], %4[3,4:1,0]{3*4}
%6: f32[12:1] = update at [3:4]+1 %0[12:1], %3[3:1]
%7: f32[12:1] = extern aten::add_.Tensor($0, 1, 1) mutates(0->0) returns(-1) of %6[3,4:4,1]
outputs %5
mutates input 0 = %7
)") == "");
}

TEST_CASE("each broken law is named") {
  auto breaks = [](const std::string& lines, const std::string& law) {
    INFO(lines);
    CHECK_THAT(broken_law(lines), Catch::Matchers::Contains(law));
  };
  breaks("%2: f32[3:1] = neg %0[3:5]\n%3: f32[3:1] = neg %0[3:6]\n", "stays inside its buffer");
  breaks("%2: f32[3:1] = neg %0[4:1]\n", "same sizes");
  breaks("%2: f32[3:1] = add %0[3:1]\n", "as many operands");
  breaks("%2: f32[3:1] = add %0[3:1], %1[3:1]\n", "one dtype");
  breaks("%2: f32[3:1] = eq %0[3:1], %0[3:1]\n", "gives b1");
  breaks("%2: f32[3:2] = neg %0[3:1]\n", "dense");
  breaks("%2: bf16[3:1] = cast %0[3:1]\n%3: bf16[3:1] = neg %2[3:1]\n", "half types");
  breaks("%2: f32[3:1] = sum dims=[0] %0[3:1]\n", "size 1 in reduced dims");
  breaks("%2: f32[3:1] = sum dims=[] %0[3:1]\n", "ascending");
  breaks("%2: f32[3,4:4,1] = gather %0[3,4:0,1], %1[3,4:1,0]{4*4}\n", "inside its table");
  breaks("%2: f32[3,4:4,1] = gather %0[3,4:0,1]\n%3: f32[1:1] = gather %0[1:1], %1[1:1]\n", "IndexedDim");
  breaks("%2: f32[12:1] = update at [3:0] %0[12:1], %0[3:1]\n", "writes no element twice");
  breaks("%2: f32[12:1] = update at [4:1] %0[12:1], %0[3:1]\n", "sizes of what is written");
  breaks("%2: f32[3:1] = update at [3:1] %0[3:1], %0[3:1]\n", "whole buffer");
  breaks("%2: i64[3:1] = index dim=1\n", "names a dim");
  breaks("%2: f32[3:1] = extern aten::op($1) of %0[3:1]\n", "operand of its node");
  breaks("%2: f32[3:1] = extern aten::op($0) mutates(0->0) of %0[3:1]\n", "length and dtype");
  breaks("mutates input 2 = %0\n", "names an input");
  breaks("mutates input 1 = %0\n", "dtype and length");
}

TEST_CASE("graphs no text can spell are caught as well") {
  Graph graph = parse_graph("graph\ninputs %0: f32[4:1]\n%1: f32[4:1] = neg %0[4:1]\noutputs %1\n");
  auto broken = [](Graph g) { CHECK_THROWS_AS(verify(g), Error); };
  Graph g = graph;
  g.outputs[0] = 99;
  broken(g);
  g = graph;
  g.nodes[0].results[0] = 0;
  broken(g);
  g = graph;
  g.values[1].producer = -1;
  broken(g);
  g = graph;
  std::get<Access>(g.nodes[0].operands[0]).value = 1;
  broken(g);
  g = graph;
  std::get<Access>(g.nodes[0].operands[0]).geometry.strides[0] = -1;
  broken(g);
}
