#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "pass_golden.h"
#include "support/error.h"

using namespace braze;

namespace {

void check_decomposed(const std::string& name, bool leaves_calls = false) {
  check_golden("decompose/" + name, [&](const std::string& text) {
    Graph graph = parse_graph(text);
    verify(graph);
    decompose(graph);
    verify(graph);
    if (!leaves_calls) interpret_graph(graph, seeded_inputs(graph, 1));
    return print(graph);
  });
}

/// The first output of one call, on these numbers.
std::vector<double> call(const std::string& signature, const std::string& lines,
                         const std::vector<std::vector<double>>& inputs) {
  Graph graph = parse_graph("graph\ninputs " + signature + "\n" + lines);
  REQUIRE(decompose(graph));
  verify(graph);
  return run_text(graph, inputs);
}

const double kNan = std::nan("");
const double kInf = std::numeric_limits<double>::infinity();

bool same(double a, double b) {
  return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b));
}

void check_numbers(const std::vector<double>& got, const std::vector<double>& wanted) {
  REQUIRE(got.size() == wanted.size());
  for (size_t i = 0; i < got.size(); ++i) {
    INFO(i << ": " << got[i] << ", wanted " << wanted[i]);
    CHECK(same(got[i], wanted[i]));
  }
}

}  // namespace

TEST_CASE("pointwise calls") { check_decomposed("pointwise"); }
TEST_CASE("in-place and out= calls") { check_decomposed("in_place_and_out"); }
TEST_CASE("normalisation layers") { check_decomposed("norms"); }
TEST_CASE("reductions and softmax") { check_decomposed("reductions"); }
TEST_CASE("data movement") { check_decomposed("data_movement"); }
TEST_CASE("indexing") { check_decomposed("indexing"); }
TEST_CASE("creation") { check_decomposed("creation", true); }
TEST_CASE("what has no row, or a form its row refuses, is left to PyTorch") {
  check_decomposed("left_to_pytorch", true);
}

TEST_CASE("rounding modes of division follow Python") {
  const std::string in = "%0: f32[6:1], %1: f32[6:1]";
  const std::vector<std::vector<double>> numbers = {{7, -7, 7, 1, -0.0, 5}, {2, 2, -2, 0, 3, kInf}};
  auto divided = [&](const std::string& mode) {
    return call(
        in, "%2: f32[6:1] = extern aten::div.Tensor_mode($0, $1, \"" + mode + "\") of %0[6:1], %1[6:1]\noutputs %2\n",
        numbers);
  };
  check_numbers(divided("floor"), {3, -4, -4, kInf, -0.0, 0});
  check_numbers(divided("trunc"), {3, -3, -3, kInf, -0.0, 0});
  check_numbers(
      call(in, "%2: f32[6:1] = extern aten::remainder.Tensor($0, $1) of %0[6:1], %1[6:1]\noutputs %2\n", numbers),
      {1, 1, -1, kNan, -0.0, 5});
}

TEST_CASE("clamps keep NaN, and a low bound above the high one gives the high one") {
  auto clamp = [](const std::string& bounds) {
    return call("%0: f32[5:1]", "%1: f32[5:1] = extern aten::clamp($0, " + bounds + ") of %0[5:1]\noutputs %1\n",
                {{-5, 0.5, 5, kNan, -0.0}});
  };
  check_numbers(clamp("-0x1p+0, 0x1p+0"), {-1, 0.5, 1, kNan, -0.0});
  check_numbers(clamp("none, 0x1p+0"), {-5, 0.5, 1, kNan, -0.0});
  check_numbers(clamp("0x1p+1, 0x1p+0"), {1, 1, 1, kNan, 1});
}

TEST_CASE("half types compute in f32 and round once at the end") {
  // In bf16, 256 + 1 is 256; the factor keeps all its digits beside a bf16 tensor, as in eager.
  check_numbers(
      call("%0: bf16[2:1]", "%1: bf16[2:1] = extern aten::add.Tensor($0, 1, 1) of %0[2:1]\noutputs %1\n", {{256, 1}}),
      {256, 2});
  const float product = 255.0f * 0.1f;
  const double rounded = std::ldexp(std::nearbyint(std::ldexp(product, 3)), -3);
  check_numbers(
      call("%0: bf16[1:1]",
           "%1: bf16[1:1] = extern aten::mul.Tensor($0, 0x1.999999999999ap-4) of %0[1:1]\noutputs %1\n", {{255}}),
      {rounded});
}

TEST_CASE("softmax and layer norm give what their formulas say") {
  auto softmax =
      call("%0: f64[3:1]", "%1: f64[3:1] = extern aten::_softmax($0, 0, false) of %0[3:1]\noutputs %1\n", {{1, 2, 3}});
  const double total = std::exp(-2.0) + std::exp(-1.0) + 1;
  check_numbers(softmax, {std::exp(-2.0) / total, std::exp(-1.0) / total, 1 / total});
  auto norm =
      call("%0: f64[4:1]",
           "%1: f64[4:1], %2: f64[1:1], %3: f64[1:1] = extern aten::native_layer_norm($0, [4], none, none, 0x0p+0) of "
           "%0[4:1]\noutputs %1\n",
           {{1, 3, 1, 3}});
  check_numbers(norm, {-1, 1, -1, 1});
}

TEST_CASE("a negative index is refused where eager raises, and wraps where eager wraps") {
  auto index = [](const std::string& lines) {
    return call("%0: f32[3:1], %1: i64[2:1]", lines + "\noutputs %2\n", {{10, 11, 12}, {0, -1}});
  };
  check_numbers(index("%2: f32[2:1] = extern aten::index.Tensor($0, tensors [$1]) of %0[3:1], %1[2:1]"), {10, 12});
  CHECK_THROWS_AS(index("%2: f32[2:1] = extern aten::index_select($0, 0, $1) of %0[3:1], %1[2:1]"), Error);
}

TEST_CASE("type promotion is torch's") {
  // A 0-d f64 tensor does not lift an f32 tensor; an f64 tensor with dims does. A recorded dtype that disagrees is left
  // to PyTorch.
  auto decomposes = [](const std::string& dtype, const std::string& other) {
    Graph graph = parse_graph("graph\ninputs %0: f32[2:1], %1: f64[2:1]\n%2: " + dtype +
                              "[2:1] = extern aten::mul.Tensor($0, $1) of %0[2:1], %1" + other + "\noutputs %2\n");
    return decompose(graph);
  };
  CHECK(decomposes("f32", "[:]"));
  CHECK(decomposes("f64", "[2:1]"));
  CHECK_FALSE(decomposes("f64", "[:]"));
  CHECK_FALSE(decomposes("f32", "[2:1]"));
}
