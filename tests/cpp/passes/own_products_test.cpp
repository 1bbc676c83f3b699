#include "passes/own_products.h"

#include <catch2/catch.hpp>

#include "pass_golden.h"

using namespace braze;

namespace {

std::vector<bool> all(const std::vector<ProductCall>& products) { return std::vector<bool>(products.size(), true); }

}  // namespace

TEST_CASE("products that kernels compute become primitives") {
  check_pass([](Graph& graph) { return own_products(graph, all); }, "passes/own_products", false);
}

TEST_CASE("products that the library computes faster stay") {
  Graph graph = parse_graph(R"(graph
inputs %0: f32[640:1], %1: f32[16384:1]
%2: f32[10,256:256,1] = extern aten::mm($0, $1) returns(0) of %0[10,64:64,1], %1[64,256:256,1]
outputs %2
)");
  CHECK(!own_products(graph, [](const std::vector<ProductCall>& products) {
    REQUIRE(products.size() == 1);
    const ProductCall& product = products[0];
    CHECK(product.rows() == 10);
    CHECK(product.depth() == 64);
    CHECK(product.columns() == 256);
    CHECK(product.batch() == 1);
    return std::vector<bool>{false};
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
    own_products(graph, [&](const std::vector<ProductCall>& products) {
      followed = products.at(0).is_followed;
      return std::vector<bool>{false};
    });
    CHECK(followed == expected);
  }
}

TEST_CASE("of several products those that are chosen become primitives") {
  Graph graph = parse_graph(R"(graph
inputs %0: f32[640:1], %1: f32[4096:1], %2: f32[4096:1]
%3: f32[10,64:64,1] = extern aten::mm($0, $1) returns(0) of %0[10,64:64,1], %1[64,64:64,1]
%4: f32[10,64:64,1] = extern aten::relu($0) returns(0) of %3[10,64:64,1]
%5: f32[10,64:64,1] = extern aten::mm($0, $1) returns(0) of %4[10,64:64,1], %2[64,64:64,1]
outputs %5
)");
  CHECK(own_products(graph, [](const std::vector<ProductCall>& products) {
    REQUIRE(products.size() == 2);
    CHECK(products[1].left.value == 4);
    return std::vector<bool>{false, true};
  }));
  REQUIRE(graph.nodes.size() == 3);
  CHECK(graph.nodes[0].op == Op::extern_);
  CHECK(graph.nodes[2].op == Op::dot_);
}
