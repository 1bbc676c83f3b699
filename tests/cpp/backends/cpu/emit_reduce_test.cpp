// Every reduction on every dtype, along lanes and down them; long sums; values kept between passes.
#include <catch2/catch.hpp>
#include <cmath>

#include "compiled_kernel.h"
#include "ops/op.h"

namespace braze {
namespace {

std::string reduction(const std::string& op, const std::string& from, const std::string& to, int n, int vector) {
  const std::string extent = std::to_string(n);
  return "kernel parallel=[5] reduce=[" + extent + "] vector=" + std::to_string(vector) + "\n  params: p0 " + from +
         ", p1 " + to + " out\n  %0: " + from + " = load p0 [" + extent + ",1]+0\n  %1: " + to + " row = " + op +
         " %0\n  store row p1 [1,0]+0 %1\n";
}

}  // namespace

TEST_CASE("every reduction on every dtype") {
  for (int n : {1, 2, 15, 16, 17, 33, 200, 1000})
    for (int vector : {-1, 0, 1}) {
      for (const char* type : {"u8", "i8", "i16", "i32", "i64", "f32", "f64"})
        for (const char* op : {"min", "max", "argmin", "argmax"}) {
          const std::string to = op[0] == 'a' ? "i64" : type;
          check_against_interpreter(reduction(op, type, to, n, vector), 0, 0, static_cast<uint32_t>(n));
        }
      for (const char* type : {"u8", "i8", "i16", "i32", "i64"})
        for (const char* op : {"sum", "prod"}) check_against_interpreter(reduction(op, type, type, n, vector));
      for (const char* op : {"any", "all", "min", "max", "argmax"})
        check_against_interpreter(reduction(op, "b1", op[0] == 'a' && op[1] == 'r' ? "i64" : "b1", n, vector));
    }
}

TEST_CASE("long f32 sums stay close to the exact sum") {
  for (const char* head :
       {"kernel parallel=[1] reduce=[3000001] vector=1\n", "kernel parallel=[] reduce=[3000001] vector=-1\n",
        "kernel parallel=[] reduce=[3000001] vector=0\n"}) {
    const bool axis = std::string(head).find("[1]") != std::string::npos;
    const Kernel kernel = parse_kernel(std::string(head) + "  params: p0 f32, p1 f32 out\n  %0: f32 = load p0 " +
                                       (axis ? "[0,1]" : "[1]") + "+0\n  %1: f32 row = sum %0\n  store row p1 " +
                                       (axis ? "[0,0]" : "[0]") + "+0 %1\n");
    std::mt19937 random(3);
    Memory memory(kernel);
    double exact = 0;
    for (int64_t i = 0; i < memory.length(0); ++i) {
      memory.as<float>(0)[i] = std::uniform_real_distribution<float>(0, 1)(random);
      exact += memory.as<float>(0)[i];
    }
    for (const std::string& isa : runnable_isas()) {
      CompiledKernel compiled(kernel, isa);
      compiled(memory.pointers().data(), 0, 1);
      CHECK(std::fabs(memory.as<float>(1)[0] - exact) <= 2e-6 * exact);
    }
  }
}

TEST_CASE("dear values are kept between passes, cheap ones computed again") {
  for (int n : {5, 64, 100, 5000, 30000}) {  // the last is more than the stack takes
    const std::string extent = std::to_string(n);
    check_against_interpreter(
        "kernel parallel=[3] reduce=[" + extent +
            "] vector=1\n  params: p0 bf16, p1 bf16, p2 bf16 out\n"
            "  %0: bf16 = load p0 [" +
            extent +
            ",1]+0\n  %1: bf16 = load p1 [0,1]+0\n  %2: f32 = cast %0\n"
            "  %3: f32 = cast %1\n  %4: f32 = mul %2, %3\n  %5: bf16 = cast %4\n  %6: f32 = cast %5\n"
            "  %7: b1 = lt %6, %3\n  %8: f32 = abs %6\n  %9: f32 row = max %8\n  %10: f32 = sub %8, %9\n  %11: f32 = "
            "exp %10\n"
            "  %12: f32 row = max %11\n  %13: f32 = div %11, %12\n  %14: f32 = where %7, %13, %11\n"
            "  %15: bf16 = cast %14\n  store p2 [" +
            extent + ",1]+0 %15\n",
        1);
  }
}

TEST_CASE("an output may be the memory of an input") {
  const Kernel kernel = parse_kernel(
      "kernel parallel=[7] reduce=[70] vector=1\n  params: p0 i32, p1 i32 out, p2 i32 out\n"
      "  %0: i32 = load p0 [70,1]+0\n  %1: i32 row = sum %0\n  %2: i32 = add %0, %0\n  %3: i32 = sub %0, %1\n"
      "  store p1 [70,1]+0 %2\n  store p2 [70,1]+0 %3\n");
  std::mt19937 random(5);
  Memory apart(kernel);
  apart.fill(random);
  Memory shared = apart;
  for (const std::string& isa : runnable_isas()) {
    CompiledKernel compiled(kernel, isa);
    Memory expected = apart, got = shared;
    compiled(expected.pointers().data(), 0, 7);
    std::vector<void*> params = got.pointers();
    params[1] = params[0];
    compiled(params.data(), 0, 7);
    CHECK(std::memcmp(params[0], expected.pointers()[1], 7 * 70 * 4) == 0);
    CHECK(std::memcmp(params[2], expected.pointers()[2], 7 * 70 * 4) == 0);
  }
}

}  // namespace braze
