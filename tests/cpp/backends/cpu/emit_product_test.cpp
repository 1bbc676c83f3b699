// Products of matrices in tiles: every layout of the factors, sizes that fill no tile, more depth than one part,
// batches, and what follows the product.
#include <catch2/catch.hpp>
#include <cmath>

#include "backends/reference/interpret_kernel.h"
#include "compiled_kernel.h"
#include "ops/evaluate.h"
#include "schedule/product_form.h"

namespace braze {
namespace {

std::string strides(std::initializer_list<int64_t> list) {
  std::string text = "[";
  for (int64_t stride : list) text += (text.size() > 1 ? "," : "") + std::to_string(stride);
  return text + "]+0";
}

/// [batch, rows, depth] times [batch, depth, columns], plus a number a column, times one a result. The factors are of
/// these dtypes.
Kernel product(int64_t batch, int64_t rows, int64_t columns, int64_t depth, bool depth_in_order,
               const std::string& left = "f32", const std::string& right = "f32") {
  const int64_t n = columns, m = rows, k = depth;
  std::string text = "kernel parallel=[" + std::to_string(batch) + "," + std::to_string(n) + "," + std::to_string(m) +
                     "] reduce=[" + std::to_string(k) + "] vector=3\n";
  text += "  params: p0 " + left + ", p1 " + right + ", p2 f32, p3 f32, p4 f32 out\n";
  int next = 0;
  auto add = [&](const std::string& line) {
    text += "  %" + std::to_string(next) + ": " + line + "\n";
    return "%" + std::to_string(next++);
  };
  auto factor = [&](const std::string& dtype, const std::string& from) {
    const std::string read = add(dtype + " = load " + from);
    return dtype == "f32" ? read : add("f32 = cast " + read);
  };
  const std::string a = factor(left, "p0 " + strides({m * k, 0, k, 1}));
  const std::string b = factor(right, "p1 " + (depth_in_order ? strides({n * k, k, 0, 1}) : strides({n * k, 1, 0, n})));
  const std::string sums = add("f32 row = dot " + a + ", " + b);
  const std::string biased = add("f32 row = add " + sums + ", " + add("f32 row = load p2 " + strides({0, 1, 0, 0})));
  const std::string factors = add("f32 row = load p3 " + strides({m * n, 1, n, 0}));
  const std::string result = add("f32 row = mul " + biased + ", " + factors);
  return parse_kernel(text + "  store row p4 " + strides({m * n, 1, n, 0}) + " " + result + "\n");
}

void fill(Memory& memory, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> number(-1, 1);
  for (int p = 0; p < static_cast<int>(memory.kernel().params.size()); ++p) {
    const DType dtype = memory.kernel().params[p].dtype;
    for (int64_t i = 0; i < memory.length(p); ++i)
      store_element(memory.as<char>(p) + i * info(dtype).bytes,
                    convert(Scalar::of_double(DType::f64, number(random)), dtype));
  }
}

void check(const Kernel& kernel) {
  Memory initial(kernel);
  fill(initial, 1);
  Memory expected = initial;
  const int64_t points = kernel.parallel_points(), unit = product_form(kernel)->unit();
  const int out = static_cast<int>(kernel.params.size()) - 1;
  interpret_kernel(kernel, expected.pointers().data(), 0, points);
  for (const std::string& isa : runnable_isas()) {
    INFO("isa \"" << isa << "\"\n" << print(kernel));
    const CompiledKernel compiled(kernel, isa);
    Memory whole = initial, split = initial;
    compiled(whole.pointers().data(), 0, points);
    for (int64_t begin = 0; begin < points; begin += unit)
      compiled(split.pointers().data(), begin, std::min(begin + unit, points));
    const double slack = 1e-6 * std::sqrt(static_cast<double>(kernel.axes.back())) + 1e-6;
    for (int64_t i = 0; i < expected.length(out); ++i) {
      REQUIRE(std::fabs(whole.as<float>(out)[i] - expected.as<float>(out)[i]) <= slack);
      REQUIRE(whole.as<float>(out)[i] == split.as<float>(out)[i]);
    }
    REQUIRE(whole.guards_intact());
  }
}

}  // namespace

TEST_CASE("products of all sizes") {
  for (bool depth_in_order : {true, false})
    for (auto [rows, columns, depth] : {std::array<int64_t, 3>{2, 2, 2},
                                        {3, 64, 5},
                                        {8, 70, 16},
                                        {13, 5, 40},
                                        {17, 67, 33},
                                        {18, 128, 130},
                                        {40, 33, 129},
                                        {2, 3, 1100},
                                        {7, 129, 20}}) {
      check(product(1, rows, columns, depth, depth_in_order));
    }
}

TEST_CASE("a right factor that is read where it lies") {
  for (auto [rows, columns, depth] : {std::array<int64_t, 3>{2, 48, 7},
                                      {4, 1600, 9},
                                      {6, 80, 300},
                                      {7, 112, 130},
                                      {8, 1552, 12},
                                      {9, 208, 20},
                                      {14, 16, 40},
                                      {33, 160, 129},
                                      {64, 1264, 10},
                                      {128, 672, 5}}) {
    check(product(1, rows, columns, depth, false));
    check(product(3, rows, columns, depth, false));
  }
  check(product(1, 5, 208, 140, false, "f32", "bf16"));
  check(product(2, 8, 96, 20, false, "f16", "f16"));
}

TEST_CASE("factors of half types") {
  for (bool depth_in_order : {true, false})
    for (auto [rows, columns, depth] :
         {std::array<int64_t, 3>{2, 2, 2}, {3, 64, 5}, {8, 70, 16}, {17, 67, 33}, {18, 128, 130}, {40, 33, 131}}) {
      check(product(1, rows, columns, depth, depth_in_order, "f32", "bf16"));
      check(product(2, rows, columns, depth, depth_in_order, "bf16", "f32"));
      check(product(1, rows, columns, depth, depth_in_order, "f16", "f16"));
    }
}

TEST_CASE("more rows than a block of them") {
  for (int64_t rows : {250, 280, 530}) {
    check(product(1, rows, 17, 20, true));
    check(product(1, rows, 17, 20, false));
  }
}

TEST_CASE("batches of products") {
  for (bool depth_in_order : {true, false}) {
    check(product(3, 5, 64, 20, depth_in_order));
    check(product(3, 20, 37, 20, depth_in_order));
  }
}

TEST_CASE("one row") {
  for (const char* right : {"[40,1]+0", "[1,70]+0"}) {
    const Kernel kernel =
        parse_kernel(std::string("kernel parallel=[70] reduce=[40] vector=1\n  params: p0 f32, p1 f32, p2 f32 out\n"
                                 "  %0: f32 = load p0 [0,1]+0\n  %1: f32 = load p1 ") +
                     right + "\n  %2: f32 row = dot %1, %0\n  store row p2 [1,0]+0 %2\n");
    REQUIRE(product_form(kernel));
    check(kernel);
  }
}

TEST_CASE("a dot of another form goes through the plain loops") {
  for (const char* text :
       {"kernel parallel=[30] reduce=[7] vector=1\n  params: p0 f32, p1 f32, p2 f32 out\n  %0: f32 = load p0 [7,1]+0\n"
        "  %1: f32 = load p1 [7,1]+0\n  %2: f32 row = dot %0, %1\n  store row p2 [1,0]+0 %2\n",
        "kernel parallel=[9,8] reduce=[37] vector=2\n  params: p0 f64, p1 f64, p2 f64 out\n"
        "  %0: f64 = load p0 [37,0,1]+0\n  %1: f64 = load p1 [0,37,1]+0\n  %2: f64 row = dot %0, %1\n"
        "  store row p2 [8,1,0]+0 %2\n"}) {
    REQUIRE(!product_form(parse_kernel(text)));
    check_against_interpreter(text, 64, 1e-2);
  }
}

}  // namespace braze
