// Kernel text: exact round trips, laws, and damage of every kind.
#include <catch2/catch.hpp>
#include <random>

#include "schedule/kernel.h"
#include "schedule/size_params.h"
#include "support/error.h"

using namespace braze;

namespace {

const char* const kRow =
    "kernel parallel=[4096] reduce=[768] vector=1\n"
    "  params: p0 f32, p1 f32 out, p2 f32, p3 i64\n"
    "  %0: f32 = load p0 [768,1]+0\n"
    "  %1: f32 row = sum %0\n"
    "  %2: f32 = const 0x1.555556p-10\n"
    "  %3: f32 row = mul %1, %2\n"
    "  %4: f32 = sub %0, %3\n"
    "  store p1 [768,1]+0 %4\n"
    "  %6: i64 row = load p3 [1,0]+3\n"
    "  %7: f32 = gather p2 [0,1]+0 %6 of 30522 by 768\n"
    "  %8: f32 = const -inf\n"
    "  %9: f32 = const nan\n"
    "  %10: f32 = const -0x0p+0\n"
    "  %11: i64 = index [0,1]+5\n"
    "  %12: f32 = const nan:fff8000000000001\n";

const char* const kSized =
    "kernel parallel=[s0,4] reduce=[s1] vector=2 sizes=3\n"
    "  params: p0 f32, p1 f32 out, p2 i64\n"
    "  %0: f32 = load p0 [s1,0,1]+s2\n"
    "  %1: f32 row = sum %0\n"
    "  %2: f32 = const 1/s1\n"
    "  %3: f32 row = mul %1, %2\n"
    "  %4: i64 = load p2 [0,0,1]+0\n"
    "  %5: f32 = gather p0 [0,0,0]+0 %4 of s0 by s1\n"
    "  store row p1 [4,1,0]+0 %3\n"
    "  %7: i64 = const s2\n";

std::string damage_of(const std::string& text) {
  try {
    parse_kernel(text);
  } catch (const Error& error) {
    CHECK(error.kind() == Error::Kind::User);
    return error.what();
  }
  return "";
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

}  // namespace

TEST_CASE("kernel text round-trips exactly") {
  const Kernel kernel = parse_kernel(kRow);
  CHECK(print(kernel) == kRow);
  CHECK(parse_kernel(print(kernel)) == kernel);
  CHECK(kernel.parallel_points() == 4096);
  CHECK(kernel.reduce_points() == 768);
  const char* empty = "kernel parallel=[] reduce=[] vector=-1\n  params:\n";
  CHECK(print(parse_kernel(empty)) == empty);
}

TEST_CASE("size parameters round-trip, count, and become numbers") {
  const Kernel kernel = parse_kernel(kSized);
  CHECK(print(kernel) == kSized);
  CHECK(kernel.size_params == 3);
  const std::vector<int64_t> sizes = {5, 3, 7};
  CHECK(kernel.parallel_points(sizes) == 20);
  CHECK(kernel.reduce_points(sizes) == 3);
  CHECK(allows(kernel, sizes));
  CHECK(!allows(kernel, std::vector<int64_t>{1, 3, 7}));
  CHECK(!allows(kernel, std::vector<int64_t>{5, 3}));
  CHECK(!allows(kernel, std::vector<int64_t>{5, 3, -1}));
  const Kernel numbers = with_sizes(kernel, sizes);
  verify(numbers);
  CHECK(numbers.axes == std::vector<int64_t>{5, 4, 3});
  CHECK(numbers.body[0].offset == 7);
  CHECK(numbers.body[2].immediate.as_double() == static_cast<float>(1.0 / 3));
  CHECK(numbers.body[5].indexed[0] == IndexedDim{5, 3});
  CHECK(numbers.body[7].immediate.as_int() == 7);
}

TEST_CASE("a size parameter that is not there is a user error") {
  CHECK(damage_of(replaced(kSized, "parallel=[s0", "parallel=[s3")).find("line 1") != std::string::npos);
  CHECK(damage_of(replaced(kSized, "]+s2", "]+s9")).find("line 3") != std::string::npos);
  CHECK(damage_of(replaced(kSized, "1/s1", "1/s3")).find("line 5") != std::string::npos);
  CHECK(damage_of(replaced(kSized, "const s2", "const 1/s2")).find("line 10") != std::string::npos);
  CHECK(damage_of(replaced(kSized, "of s0", "of -1")).find("line 8") != std::string::npos);
}

TEST_CASE("damaged kernel text is a user error naming the line") {
  CHECK(damage_of(replaced(kRow, "sum %0", "sum %9")).find("line 4") != std::string::npos);
  CHECK(damage_of(replaced(kRow, "768,1]+0 %4", "768,1]+0 %5")).find("line 8") != std::string::npos);
  CHECK(damage_of(replaced(kRow, "f32 = sub", "f32 row = sub")).find("line 7") != std::string::npos);
  CHECK(damage_of(replaced(kRow, "parallel=[4096]", "parallel=[99999999999999999999]")).find("line 1") !=
        std::string::npos);
  CHECK(damage_of(replaced(kRow, "parallel=[4096]", "parallel=[4611686018427387904]")).find("line 1") !=
        std::string::npos);
  CHECK(damage_of(replaced(kRow, "[768,1]+0\n", "[4611686018427387904,1]+0\n")).find("line 3") != std::string::npos);
  CHECK(damage_of(replaced(kRow, "store p1", "store p0")).find("line 8") != std::string::npos);
  CHECK(damage_of("").find("line 1") != std::string::npos);
}

TEST_CASE("no mutation of kernel text crashes the parser") {
  std::mt19937 random(7);
  for (int round = 0; round < 30000; ++round) {
    const std::string text = round % 3 == 0 ? kSized : kRow;
    std::string hostile = text;
    for (int edits = 1 + random() % 4; edits > 0; --edits) {
      const size_t at = random() % hostile.size();
      switch (random() % 4) {
        case 0: hostile[at] = static_cast<char>(random() % 256); break;
        case 1: hostile.erase(at, random() % 8); break;
        case 2: hostile.insert(at, 1, "0123456789[],%+- \ns/"[random() % 20]); break;
        default: hostile.insert(at, text.substr(random() % text.size(), random() % 12)); break;
      }
      if (hostile.empty()) hostile = "k";
    }
    try {
      const Kernel kernel = parse_kernel(hostile);
      CHECK(parse_kernel(print(kernel)) == kernel);
    } catch (const Error& error) {
      CHECK(error.kind() == Error::Kind::User);
    }
  }
}
