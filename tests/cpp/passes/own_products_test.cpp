#include "passes/own_products.h"

#include <catch2/catch.hpp>

#include "pass_golden.h"

using namespace braze;

TEST_CASE("products that kernels compute become primitives") {
  check_pass([](Graph& graph) { return own_products(graph, [](const ProductCall&) { return true; }); },
             "passes/own_products", false);
}

TEST_CASE("products that the library computes faster stay") {
  Graph graph = parse_graph(R"(graph
inputs %0: f32[640:1], %1: f32[16384:1]
%2: f32[10,256:256,1] = extern aten::mm($0, $1) returns(0) of %0[10,64:64,1], %1[64,256:256,1]
outputs %2
)");
  CHECK(!own_products(graph, [](const ProductCall& product) {
    return product.rows() != 10 || product.depth() != 64 || product.columns() != 256 || product.batch() != 1;
  }));
  CHECK(graph.nodes[0].op == Op::extern_);
}

TEST_CASE("whether arithmetic follows a product is a part of the question") {
  for (const auto& [text, expected] :
       {std::pair{"outputs %2\n", false},
        {"%3: f32[10,256:256,1] = add %2[10,256:256,1], %2[10,256:256,1]\noutputs %3\n", true}}) {
    Graph graph = parse_graph(std::string("graph\ninputs %0: f32[640:1], %1: f32[16384:1]\n"
                                          "%2: f32[10,256:256,1] = extern aten::mm($0, $1) returns(0) of "
                                          "%0[10,64:64,1], %1[64,256:256,1]\n") +
                              text);
    bool followed = !expected;
    own_products(graph, [&](const ProductCall& product) {
      followed = product.is_followed;
      return false;
    });
    CHECK(followed == expected);
  }
}
