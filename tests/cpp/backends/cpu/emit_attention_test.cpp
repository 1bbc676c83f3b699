// Attention in blocks: sizes that fill no block, panel or tile, masks, causal rows, layouts of keys and values.
#include <array>
#include <catch2/catch.hpp>
#include <cmath>

#include "backends/reference/interpret_kernel.h"
#include "compiled_kernel.h"
#include "schedule/attention_form.h"

namespace braze {
namespace {

struct Sizes {
  int64_t outer, rows, columns, keys, depth;
};

std::string strides(std::initializer_list<int64_t> list) {
  std::string text = "[";
  for (int64_t stride : list) text += (text.size() > 1 ? "," : "") + std::to_string(stride);
  return text + "]+0";
}

Kernel attention(const Sizes& s, bool masked, bool causal, bool turned) {
  const int64_t t = s.rows, e = s.columns, k = s.keys, d = s.depth;
  std::string text = "kernel parallel=[";
  for (int64_t extent : {s.outer, t, e}) text += (text.back() == '[' ? "" : ",") + std::to_string(extent);
  text += "] reduce=[" + std::to_string(k) + "," + std::to_string(d) + "] vector=4\n  params: p0 f32, p1 f32, p2 f32";
  text += masked ? ", p3 f32, p4 f32 out\n" : ", p3 f32 out\n";
  text += "  %0: f32 = load p0 " + strides({t * d, d, 0, 0, 1}) + "\n  %1: f32 = load p1 ";
  text += (turned ? strides({k * d, 0, 0, 1, k}) : strides({k * d, 0, 0, d, 1})) + "\n  %2: f32 = load p2 ";
  text += (turned ? strides({k * e, 0, k, 1, 0}) : strides({k * e, 0, 1, e, 0})) + "\n  %3: f32 = ";
  text += (masked ? "load p3 " + strides({t * k, k, 0, 1, 0}) : std::string("const 0x0p+0")) + "\n";
  text += "  %4: f32 = const 0x1p-1\n  %5: f32 row = " + std::string(causal ? "attend_causal" : "attend");
  text += " %0, %1, %2, %3, %4\n  store row " + std::string(masked ? "p4 " : "p3 ") + strides({t * e, e, 1, 0, 0});
  return parse_kernel(text + " %5\n");
}

void check(const Kernel& kernel) {
  const auto form = attention_form(kernel);
  REQUIRE(form);
  verify(kernel);
  REQUIRE(parse_kernel(print(kernel)) == kernel);
  Memory initial(kernel);
  std::mt19937 random(1);
  std::uniform_real_distribution<float> number(-2, 2);
  const int params = static_cast<int>(kernel.params.size()), out = params - 1;
  for (int p = 0; p < params; ++p)
    for (int64_t i = 0; i < initial.length(p); ++i) initial.as<float>(p)[i] = number(random);
  if (params == 5)  // some scores are masked, and all of the first row of keys below 64
    for (int64_t i = 0; i < initial.length(3); ++i)
      if (random() % 4 == 0 || i < std::min<int64_t>(form->keys, 64)) initial.as<float>(3)[i] = -INFINITY;
  Memory expected = initial;
  const int64_t points = kernel.parallel_points(), unit = form->unit();
  interpret_kernel(kernel, expected.pointers().data(), 0, points);
  for (const std::string& isa : runnable_isas()) {
    INFO("isa \"" << isa << "\"\n" << print(kernel));
    const CompiledKernel compiled(kernel, isa);
    Memory whole = initial, split = initial;
    compiled(whole.pointers().data(), 0, points);
    for (int64_t begin = 0; begin < points; begin += unit)
      compiled(split.pointers().data(), begin, std::min(begin + unit, points));
    for (int64_t i = 0; i < expected.length(out); ++i) {
      REQUIRE(std::fabs(whole.as<float>(out)[i] - expected.as<float>(out)[i]) <= 1e-5);
      REQUIRE(whole.as<float>(out)[i] == split.as<float>(out)[i]);
    }
    REQUIRE(whole.guards_intact());
  }
}

}  // namespace

TEST_CASE("attention of all sizes, masked and causal, over keys in either order") {
  for (const Sizes& sizes : {Sizes{1, 2, 2, 2, 2}, Sizes{2, 3, 64, 5, 16}, Sizes{3, 17, 5, 65, 9},
                             Sizes{1, 20, 70, 128, 33}, Sizes{2, 140, 16, 40, 8}, Sizes{1, 16, 130, 70, 20}})
    for (bool masked : {false, true})
      for (bool causal : {false, true})
        for (bool turned : {false, true})
          if (!masked || !causal) check(attention(sizes, masked, causal, turned));
}

TEST_CASE("one row over a cache") {
  const Kernel kernel = parse_kernel(
      "kernel parallel=[4,32] reduce=[130,32] vector=3\n  params: p0 f32, p1 f32, p2 f32, p3 f32 out\n"
      "  %0: f32 = load p0 [32,0,0,1]+0\n  %1: f32 = load p1 [4160,0,32,1]+0\n  %2: f32 = load p2 [4160,1,32,0]+0\n"
      "  %3: f32 = const 0x0p+0\n  %4: f32 = const 0x1p-2\n  %5: f32 row = attend %0, %1, %2, %3, %4\n"
      "  store row p3 [32,1,0,0]+0 %5\n");
  REQUIRE(attention_form(kernel)->rows == 1);
  check(kernel);
}

TEST_CASE("attention of another form is no kernel") {
  // A value computed from what attention gives would have to be stored by the same loops.
  REQUIRE_THROWS(verify(parse_kernel(
      "kernel parallel=[4,3,8] reduce=[10,8] vector=4\n  params: p0 f32, p1 f32, p2 f32, p3 f32 out\n"
      "  %0: f32 = load p0 [24,8,0,0,1]+0\n  %1: f32 = load p1 [80,0,0,8,1]+0\n  %2: f32 = load p2 [80,0,1,8,0]+0\n"
      "  %3: f32 = const 0x0p+0\n  %4: f32 = const 0x1p-2\n  %5: f32 row = attend %0, %1, %2, %3, %4\n"
      "  %6: f32 row = neg %5\n  store row p3 [24,8,1,0,0]+0 %6\n")));
}

}  // namespace braze
