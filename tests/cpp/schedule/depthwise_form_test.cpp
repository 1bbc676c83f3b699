// Which kernels are convolutions, read off their text.
#include "schedule/depthwise_form.h"

#include <catch2/catch.hpp>

#include "schedule/product_form.h"

using namespace braze;

namespace {

/// A 3x3 window over an image of 10 channels, 9 places wide, with this stride of the weight along the rows.
Kernel depthwise(const std::string& along_rows) {
  return parse_kernel(
      "kernel parallel=[2,5,7,10] reduce=[3,3] vector=3\n"
      "  params: p0 f32, p1 f32, p2 f32 out\n"
      "  %0: f32 = load p0 [630,90,10,1,90,10]+0\n"
      "  %1: f32 = load p1 [0,0," +
      along_rows +
      ",1,30,10]+0\n"
      "  %2: f32 row = dot %0, %1\n"
      "  store row p2 [350,70,10,1,0,0]+0 %2\n");
}

}  // namespace

TEST_CASE("a convolution channel by channel is cut between lines") {
  const auto form = depthwise_form(depthwise("0"));
  REQUIRE(form);
  CHECK(form->left == 0);
  CHECK(form->right == 1);
  CHECK(form->channels == 10);
  CHECK(form->rows == 7);
  CHECK(form->outer == 10);
  CHECK(form->unit() == 70);
  CHECK(!product_form(depthwise("0")));
}

TEST_CASE("a weight that differs from place to place is no convolution") { CHECK(!depthwise_form(depthwise("90"))); }
