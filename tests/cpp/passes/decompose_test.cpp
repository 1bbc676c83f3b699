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

TEST_CASE("integers are divided as Python divides them, and a zero is left to eager, which raises") {
  auto divided = [](const std::string& lines, double last) {
    return call("%0: i64[4:1], %1: i64[4:1]",
                "%2: i64[4:1] = extern aten::" + lines + " of %0[4:1], %1[4:1]\noutputs %2\n",
                {{7, -7, 7, 6}, {2, 2, -2, last}});
  };
  check_numbers(divided("div.Tensor_mode($0, $1, \"floor\")", 3), {3, -4, -4, 2});
  check_numbers(divided("div.Tensor_mode($0, $1, \"trunc\")", 3), {3, -3, -3, 2});
  check_numbers(divided("remainder.Tensor($0, $1)", 3), {1, 1, -1, 0});
  CHECK_THROWS_AS(divided("floor_divide($0, $1)", 0), Error);
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

TEST_CASE("copies of views read windows, and diagonals are written as windows") {
  const std::string in = "%0: f32[6:1]";
  const std::vector<std::vector<double>> numbers = {{1, 2, 3, 4, 5, 6}};
  auto copy = [&](const std::string& result, const std::string& lines) {
    return call(in, "%1: f32" + result + " = extern aten::" + lines + " of %0[2,3:3,1]\noutputs %1\n", numbers);
  };
  check_numbers(copy("[3,2:2,1]", "permute_copy($0, [1, 0])"), {1, 4, 2, 5, 3, 6});
  check_numbers(copy("[2:1]", "diagonal_copy($0, 1, 0, 1)"), {2, 6});
  check_numbers(copy("[2:1]", "diagonal_copy($0, 0, 0, 1)"), {1, 5});
  check_numbers(copy("[3,2:2,1]", "view_copy($0, [3, 2])"), {1, 2, 3, 4, 5, 6});
  check_numbers(copy("[2,2,2:4,2,1]", "unfold_copy($0, 1, 2, 1)"), {1, 2, 2, 3, 4, 5, 5, 6});
  check_numbers(copy("[2,3:3,1]", "rot90($0, 2, [0, 1])"), {6, 5, 4, 3, 2, 1});
  check_numbers(copy("[3,2:1,3]", "rot90($0, 1, [0, 1])"), {3, 2, 1, 6, 5, 4});  // in the order of memory
  check_numbers(call("%0: f32[2:1]",
                     "%1: f32[3,3:3,1] = extern aten::diag_embed($0, -1, -2, -1) of %0[2:1]\noutputs %1\n", {{7, 8}}),
                {0, 0, 0, 7, 0, 0, 0, 8, 0});
}

TEST_CASE("images are resampled at the places ATen reads") {
  auto resampled = [](const std::string& result, const std::string& lines) {
    return call("%0: f32[4:1]", "%1: f32" + result + " = extern aten::" + lines + " of %0[1,1,4:4,4,1]\noutputs %1\n",
                {{0, 4, 8, 4}});
  };
  check_numbers(resampled("[1,1,6:6,6,1]", "upsample_nearest1d($0, [6], none)"), {0, 0, 4, 8, 8, 4});
  check_numbers(resampled("[1,1,7:7,7,1]", "upsample_linear1d($0, [7], true, none)"), {0, 2, 4, 6, 8, 6, 4});
  check_numbers(resampled("[1,1,8:8,8,1]", "upsample_linear1d($0, [8], false, none)"), {0, 1, 3, 5, 7, 7, 5, 4});
}

TEST_CASE("the rim of a padded tensor mirrors or repeats what is inside") {
  auto padded = [](const std::string& lines) {
    return call("%0: f32[4:1]", "%1: f32[1,4,4:16,4,1] = extern aten::" + lines + " of %0[1,2,2:4,2,1]\noutputs %1\n",
                {{1, 2, 3, 4}});
  };
  check_numbers(padded("reflection_pad2d($0, [1, 1, 1, 1])"), {4, 3, 4, 3, 2, 1, 2, 1, 4, 3, 4, 3, 2, 1, 2, 1});
  check_numbers(padded("replication_pad2d($0, [2, 0, 0, 2])"), {1, 1, 1, 2, 3, 3, 3, 4, 3, 3, 3, 4, 3, 3, 3, 4});
}

TEST_CASE("pools say where their maxima are, and adaptive windows share the input") {
  const std::string in = "%0: f32[5:1]";
  auto pooled = [&](const std::string& results, const std::string& output) {
    return call(in, results + " of %0[1,1,5:5,5,1]\noutputs " + output + "\n", {{3, 1, 4, 1, 5}});
  };
  const std::string with_places =
      "%1: f32[1,1,2:2,2,1], %2: i64[1,1,2:2,2,1] = extern aten::max_pool2d_with_indices($0, [1, 3], [1, 2], [0, 0], "
      "[1, 1], false) returns(0, 1)";
  check_numbers(pooled(with_places, "%1"), {4, 5});
  check_numbers(pooled(with_places, "%2"), {2, 4});
  check_numbers(pooled("%1: f32[1,1,2:2,2,1] = extern aten::_adaptive_avg_pool2d($0, [1, 2])", "%1"),
                {8 / 3.0f, 10 / 3.0f});
}

TEST_CASE("few writes to computed positions come in order, and one out of range is refused") {
  auto written = [](const std::string& lines, double last) {
    return call("%0: f32[4:1], %1: i64[3:1], %2: f32[3:1]",
                "%3: f32[4:1] = extern aten::" + lines + " of %0[4:1], %1[3:1], %2[3:1]\noutputs %3\n",
                {{1, 2, 3, 4}, {0, 2, last}, {10, 20, 30}});
  };
  check_numbers(written("scatter.src($0, 0, $1, $2)", 2), {10, 2, 30, 4});
  check_numbers(written("scatter_add($0, 0, $1, $2)", 2), {11, 2, 53, 4});
  check_numbers(written("scatter_reduce.two($0, 0, $1, $2, \"mean\", false)", 2), {10, 2, 25, 4});
  check_numbers(written("index_copy($0, 0, $1, $2)", 3), {10, 2, 20, 30});
  CHECK_THROWS_AS(written("scatter.src($0, 0, $1, $2)", -1), Error);
  CHECK_THROWS_AS(written("index_copy($0, 0, $1, $2)", 4), Error);
  check_numbers(written("index_put($0, tensors [$1], $2, false)", -1), {10, 2, 20, 30});
}

TEST_CASE("probabilities outside [0, 1] are left to eager, which raises") {
  auto loss = [](double p) {
    return call("%0: f64[1:1], %1: f64[1:1]",
                "%2: f64[:] = extern aten::binary_cross_entropy($0, $1, none, 1) of %0[1:1], %1[1:1]\noutputs %2\n",
                {{p}, {1}});
  };
  check_numbers(loss(0), {100});
  CHECK_THROWS_AS(loss(1.5), Error);
}

TEST_CASE("numbers are looked up among few") {
  check_numbers(call("%0: f32[4:1], %1: f32[3:1]",
                     "%2: i64[4:1] = extern aten::bucketize.Tensor($0, $1, false, false) of %0[4:1], %1[3:1]\n"
                     "outputs %2\n",
                     {{0, 1, 2.5, kNan}, {1, 2, 3}}),
                {0, 0, 2, 3});
  check_numbers(call("%0: f32[3:1]", "%1: f32[3:1] = extern aten::round.decimals($0, -1) of %0[3:1]\noutputs %1\n",
                     {{14, 15, -26}}),
                {10, 20, -30});
}

TEST_CASE("scans along a short dim") {
  auto scanned = [](const std::string& results, const std::string& output) {
    return call("%0: f32[5:1]", results + " of %0[5:1]\noutputs " + output + "\n", {{2, 1, 2, kNan, 3}});
  };
  check_numbers(scanned("%1: f32[5:1] = extern aten::cumsum($0, 0, none)", "%1"), {2, 3, 5, kNan, kNan});
  check_numbers(scanned("%1: f32[5:1] = extern aten::cumprod($0, 0, none)", "%1"), {2, 2, 4, kNan, kNan});
  const std::string largest = "%1: f32[5:1], %2: i64[5:1] = extern aten::cummax($0, 0) returns(0, 1)";
  check_numbers(scanned(largest, "%1"), {2, 2, 2, kNan, kNan});
  check_numbers(scanned(largest, "%2"), {0, 0, 2, 3, 3});
}

TEST_CASE("orthogonal polynomials, up to a degree") {
  auto polynomial = [](const std::string& name, double degree) {
    return call("%0: f64[2:1], %1: f64[1:1]",
                "%2: f64[2:1] = extern aten::special_" + name + "($0, $1) of %0[2:1], %1[1:1]\noutputs %2\n",
                {{0.5, 2}, {degree}});
  };
  check_numbers(polynomial("chebyshev_polynomial_t", 3), {-1, 26});
  check_numbers(polynomial("chebyshev_polynomial_u", 2), {0, 15});
  check_numbers(polynomial("hermite_polynomial_h", 2), {-1, 14});
  check_numbers(polynomial("hermite_polynomial_he", 3), {0.125 - 1.5, 2});
  check_numbers(polynomial("laguerre_polynomial_l", 2), {0.125, -1});
  check_numbers(polynomial("legendre_polynomial_p", 2), {-0.125, 5.5});
  check_numbers(polynomial("legendre_polynomial_p", -1), {0, 0});
  CHECK_THROWS_AS(polynomial("legendre_polynomial_p", 13), Error);
}
