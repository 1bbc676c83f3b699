#include "graph/parse.h"

#include <catch2/catch.hpp>
#include <random>

#include "graph/hash.h"
#include "graph/print.h"
#include "graph/verify.h"
#include "support/error.h"

using namespace braze;

namespace {

const char* const kEverything = R"(graph
inputs %0: f32[128:1], %1: i64[4:1], %7: f16[0:1]
%2: f32[8,16:16,1] = add %0[8,16:16,1], 0x1.8p+1:f32  # aten::add.Tensor
%3: f32[8,1:1,1] = sum dims=[1] %2[8,16:16,1]
%4: f32[4,8:8,1] = gather %2[4,8:0,1], %1[4,8:1,0]{8*16}
%5: f32[128:1] = update at [8:16]+3 %0[128:1], %3[8:1]
%6: f32[4,8:8,1], %8: i64[:] = extern aten::odd.default($0, $none, tensors [$0, $none], [1, -2], none, true, -7, -0x1.8p-3, complex(0x0p+0, -inf), "a \"quoted\\ \n\x01 text", named "dtype" "float32", doubles [nan, inf], bools [true, false], [], doubles [], tensors []) returns(0, -1) of %4[4,8:8,1]
%9: f32[128:1]/200 = extern "odd name"."o v"($0)
%10: i64[4,8:8,1] = index dim=1
%11: b1[4,8:8,1] = eq %10[4,8:8,1], 3:i64
%12: f32[4,8:8,1] = where %11[4,8:8,1], nan:f32, -0x0p+0:f32
%13: f32[:] = cast nan:0x7ff8000000000001:f32  # "odd \"origin\" \n"
%14: f32[128:1] = extern aten::zero_($0) mutates(0->0) returns(-1) of %5[128:1]
extern aten::nothing()
outputs %6, %12
mutates input 0 = %14
)";

}  // namespace

TEST_CASE("text reads back to the same text") {
  Graph graph = parse_graph(kEverything);
  CHECK(print(graph) == kEverything);
  CHECK(print(parse_graph(print(graph))) == kEverything);
  CHECK(graph.nodes.size() == 12);
  CHECK(graph.nodes[5].call.op == "odd name");
  CHECK(graph.values[9].length == 200);
  CHECK(std::get<double>(graph.nodes[4].call.args[7]) == -0.1875);
}

TEST_CASE("canonical text forgets names and origins, and nothing else") {
  Graph a = parse_graph("graph\ninputs %3: f32[4:1]\n%9: f32[4:1] = neg %3[4:1]  # aten::neg\noutputs %9\n");
  Graph b = parse_graph("graph\ninputs %0: f32[4:1]\n%1: f32[4:1] = neg %0[4:1]\noutputs %1\n");
  Graph c = parse_graph("graph\ninputs %0: f32[4:1]\n%1: f32[4:1] = abs %0[4:1]\noutputs %1\n");
  CHECK(structurally_equal(a, b));
  CHECK(structural_hash(a) == structural_hash(b));
  CHECK_FALSE(structurally_equal(a, c));
  CHECK_FALSE(structural_hash(a) == structural_hash(c));
}

TEST_CASE("damaged text names its line") {
  auto complaint = [](const std::string& text) -> std::string {
    try {
      parse_graph(text);
    } catch (const Error& error) {
      CHECK(error.kind() == Error::Kind::User);
      return error.what();
    }
    return "";
  };
  CHECK(complaint("").find("line 0") != std::string::npos);
  CHECK(complaint("graph\noutputs %0\n").find("line 2: %0 is not defined yet") != std::string::npos);
  CHECK(complaint("graph\ninputs %0: f32[4:1]\n%1: f32[4:1] = nig %0[4:1]\n").find("no op is called `nig`") !=
        std::string::npos);
  CHECK(complaint("graph\ninputs %0: f99[4:1]\n").find("no dtype") != std::string::npos);
  CHECK(complaint("graph\ninputs %0: f32[99999999999999999999:1]\n") != "");
  CHECK(complaint("graph\ninputs %0: f32[9999999999,9999999999:1,1]\n").find("too large") != std::string::npos);
  CHECK(complaint("graph\ninputs %0: f32[4:1], %0: f32[4:1]\n").find("twice") != std::string::npos);
  CHECK(complaint("graph\ninputs %2000000000: f32[4:1]\n").find("out of range") != std::string::npos);
  CHECK(complaint("graph\n%0: f32[4:1] = add %0[4:1], 0x1p+0:f32\n").find("not defined yet") != std::string::npos);
  CHECK(complaint("graph graph\n").find("left over") != std::string::npos);
}

TEST_CASE("random damage never crashes parse or verify") {
  std::mt19937 random(7);
  const std::string good = kEverything;
  const std::string alphabet = "%[]:,+$\"\\ 0123456789abcxp-=#(){}*\n";
  int parsed = 0;
  for (int round = 0; round < 5000; ++round) {
    std::string text = good;
    for (int edits = 1 + random() % 4; edits > 0; --edits) {
      size_t at = random() % text.size();
      switch (random() % 3) {
        case 0: text[at] = alphabet[random() % alphabet.size()]; break;
        case 1: text.erase(at, random() % 8); break;
        default: text.insert(at, good.substr(random() % good.size(), random() % 16));
      }
    }
    try {
      Graph graph = parse_graph(text);
      ++parsed;
      CHECK(print(parse_graph(print(graph))) == print(graph));
      verify(graph);
    } catch (const Error&) {
    }
  }
  CHECK(parsed > 100);
}
