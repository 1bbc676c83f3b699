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

/// The same window over all channels, for 128 channels of the result in blocks of `columns`.
Kernel dense(const std::string& columns, const std::string& right) {
  return parse_kernel("kernel parallel=[2,5," + columns +
                      ",7] reduce=[3,30] vector=4\n"
                      "  params: p0 f32, p1 f32, p2 f32 out\n"
                      "  %0: f32 = load p0 [630,90,0,0,10,90,1]+0\n"
                      "  %1: f32 = load p1 [0,0," +
                      right +
                      "]+0\n"
                      "  %2: f32 row = dot %0, %1\n"
                      "  store row p2 [4480,896,64,1,128,0,0]+0 %2\n");
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

TEST_CASE("a convolution over all channels is a product whose rows come in lines") {
  const auto form = product_form(dense("2,64", "5760,1,0,1920,64"));
  REQUIRE(form);
  CHECK(form->lined);
  CHECK(form->lines == 5);
  CHECK(form->outer == 2);
  CHECK(form->columns == 128);
  CHECK(form->rows == 7);
  CHECK(form->depth == 90);
  CHECK(form->block_axis == 2);
  CHECK(form->unit() == 128 * 7);
}

TEST_CASE("a product's right factor moves evenly through the depth") {
  CHECK(!product_form(dense("2,64", "5760,1,0,1928,64")));
}
