#include "support/number_text.h"

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>

#include "support/hash.h"

using namespace braze;

TEST_CASE("doubles read back bit for bit") {
  std::mt19937_64 random(3);
  auto same = [](double value) {
    auto back = double_from_text(double_text(value));
    REQUIRE(back);
    CHECK(std::bit_cast<uint64_t>(*back) == std::bit_cast<uint64_t>(value));
  };
  for (double value : {0.0, -0.0, 1.0, -1.5, 5e-324, 1e308, HUGE_VAL, -HUGE_VAL, std::nan(""), -std::nan("")})
    same(value);
  for (int i = 0; i < 10000; ++i) same(std::bit_cast<double>(random()));
  CHECK(double_text(1.5) == "0x1.8p+0");
  for (const char* bad : {"", "0x", "0x1p+0x", "nan:0x0", "1.5", "--0x1p+0", "0x1p+99999", "0xinf"})
    CHECK_FALSE(double_from_text(bad));
}

TEST_CASE("strings read back") {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  size_t length = 0;
  CHECK(unquoted(quoted(all) + "tail", length) == all);
  CHECK(length == quoted(all).size());
  for (const char* bad : {"", "\"", "\"\\", "\"\\q\"", "\"\\x1\"", "abc"}) CHECK_FALSE(unquoted(bad, length));
}

TEST_CASE("a hash is the published XXH3") {
  CHECK(hash_hex("") == "99aa06d3014798d86001c324468d497f");
  CHECK(hash_hex("a") != hash_hex("b"));
}
