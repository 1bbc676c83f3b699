// Which kernels are products of matrices, read off their text.
#include "schedule/product_form.h"

#include <catch2/catch.hpp>

using namespace braze;

namespace {

/// A 3x3 window over all of an image's channels, for 128 channels of the result in blocks of `columns`.
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

TEST_CASE("rows are the longer factor's where the other one moves along the columns") {
  // Weights [384, 1536] times the 16 tokens of two sequences, whose results lie token by token.
  const auto form =
      product_form(parse_kernel("kernel parallel=[2,16,384] reduce=[1536] vector=3\n"
                                "  params: p0 f32, p1 f32, p2 f32 out\n"
                                "  %0: f32 = load p0 [24576,1536,0,1]+0\n"
                                "  %1: f32 = load p1 [0,0,1536,1]+0\n"
                                "  %2: f32 row = dot %0, %1\n"
                                "  store row p2 [6144,1,16,0]+0 %2\n"));
  REQUIRE(form);
  CHECK(form->left == 1);
  CHECK(form->right == 0);
  CHECK(form->columns == 16);
  CHECK(form->rows == 384);
  CHECK(form->outer == 2);
}

TEST_CASE("a product of one row") {
  const auto form =
      product_form(parse_kernel("kernel parallel=[256] reduce=[64] vector=1\n"
                                "  params: p0 f32, p1 f32, p2 f32 out\n"
                                "  %0: f32 = load p0 [64,1]+0\n"
                                "  %1: f32 = load p1 [0,1]+0\n"
                                "  %2: f32 row = dot %0, %1\n"
                                "  store row p2 [1,0]+0 %2\n"));
  REQUIRE(form);
  CHECK(form->left == 1);
  CHECK(form->columns == 256);
  CHECK(form->row_axis == -1);
}

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
