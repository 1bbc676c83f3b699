// Gathers: negative indices, several indices, indices that do not vary along the lanes, and indices out of range.
#include <catch2/catch.hpp>

#include "backends/reference/interpret_kernel.h"
#include "compiled_kernel.h"

namespace braze {
namespace {

/// Runs a gather kernel on indices in [low, high] in param `indices`; compares results and status with the interpreter.
void check_gather(const std::string& text, std::vector<int> index_params, int64_t low, int64_t high, bool fails) {
  const Kernel kernel = parse_kernel(text);
  std::mt19937 random(7);
  Memory initial(kernel);
  initial.fill(random);
  for (int p : index_params)
    for (int64_t i = 0; i < initial.length(p); ++i)
      initial.as<int64_t>(p)[i] = std::uniform_int_distribution<int64_t>(low, high)(random);
  if (fails) initial.as<int64_t>(index_params[0])[initial.length(index_params[0]) - 1] = high + 1;
  Memory expected = initial;
  const int64_t points = kernel.parallel_points();
  REQUIRE((interpret_kernel(kernel, expected.pointers().data(), 0, points) != 0) == fails);
  for (const std::string& isa : runnable_isas()) {
    CompiledKernel compiled(kernel, isa);
    Memory got = initial;
    INFO("isa " << isa << "\n" << text);
    REQUIRE((compiled(got.pointers().data(), 0, points) != 0) == fails);
    if (fails) continue;
    for (size_t p = 0; p < kernel.params.size(); ++p)
      REQUIRE(std::memcmp(got.as<char>(static_cast<int>(p)), expected.as<char>(static_cast<int>(p)),
                          static_cast<size_t>(got.length(static_cast<int>(p)) * info(kernel.params[p].dtype).bytes)) ==
              0);
    CHECK(got.guards_intact());
  }
}

std::string embedding(const std::string& type) {
  return "kernel parallel=[37,24] reduce=[] vector=1\n  params: p0 " + type + ", p1 i64, p2 " + type +
         " out\n  %0: i64 = load p1 [1,0]+0\n"
         "  %1: " +
         type + " = gather p0 [0,1]+0 %0 of 11 by 24\n  store p2 [24,1]+0 %1\n";
}

std::string along_lanes(const std::string& type) {
  return "kernel parallel=[5,37] reduce=[] vector=1\n  params: p0 " + type + ", p1 i64, p2 i64, p3 " + type +
         " out\n  %0: i64 = load p1 [37,1]+0\n  %1: i64 = load p2 [0,1]+0\n  %2: " + type +
         " = gather p0 [1,0]+3 %0 of 11 by 40, %1 of 8 by 5\n  store p3 [37,1]+0 %2\n";
}

}  // namespace

TEST_CASE("gather with an index a row") {
  for (const char* type : {"f32", "i64", "i16", "b1", "bf16"}) {
    if (std::string(type) != "b1") check_gather(embedding(type), {1}, -11, 10, false);
    check_gather(embedding(type), {1}, -11, 10, true);
  }
}

TEST_CASE("gather with an index a lane") {
  for (const char* type : {"f32", "f64", "i32", "i8"}) {
    check_gather(along_lanes(type), {1, 2}, -8, 7, false);
    check_gather(along_lanes(type), {2, 1}, -8, 7, true);
  }
}

TEST_CASE("gather in rows and columns") {
  for (int vector : {0, 1})
    check_gather("kernel parallel=[19] reduce=[23] vector=" + std::to_string(vector) +
                     "\n  params: p0 i32, p1 i64, p2 i32 out\n  %0: i64 = load p1 [23,1]+0\n  %1: i32 = gather p0 "
                     "[0,1]+0 %0 of 9 by 23\n"
                     "  %2: i32 row = sum %1\n  store row p2 [1,0]+0 %2\n",
                 {1}, -9, 8, false);
}

TEST_CASE("a table of nothing") {
  check_gather(
      "kernel parallel=[19] reduce=[] vector=0\n  params: p0 f32, p1 i64, p2 f32 out\n  %0: i64 = load p1 [1]+0\n"
      "  %1: f32 = gather p0 [0]+0 %0 of 0 by 1\n  store p2 [1]+0 %1\n",
      {1}, 0, 0, true);
}

TEST_CASE("positions") {
  check_against_interpreter(
      "kernel parallel=[3,45] reduce=[] vector=1\n  params: p0 i64 out\n  %0: i64 = index [100,7]+5\n"
      "  %1: i64 = index [1,0]+0\n  %2: i64 = mul %0, %1\n  store p0 [45,1]+0 %2\n");
}

}  // namespace braze
