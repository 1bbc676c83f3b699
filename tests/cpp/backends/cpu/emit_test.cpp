// Loops of every shape against the interpreter: pointwise, rows, columns; tails, strides, splits.
#include <catch2/catch.hpp>

#include "compiled_kernel.h"

namespace braze {

TEST_CASE("pointwise kernels of any length") {
  for (int n : {1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 100, 257}) {
    const std::string extent = std::to_string(n);
    check_against_interpreter("kernel parallel=[" + extent +
                              "] reduce=[] vector=0\n"
                              "  params: p0 f32, p1 f32, p2 f32 out\n"
                              "  %0: f32 = load p0 [1]+0\n"
                              "  %1: f32 = load p1 [1]+0\n"
                              "  %2: f32 = mul %0, %1\n"
                              "  %3: f32 = add %2, %0\n"
                              "  store p2 [1]+0 %3\n");
  }
}

TEST_CASE("broadcast, strides and offsets") {
  for (int n : {1, 3, 8, 16, 21, 40})
    for (int m : {1, 5, 16, 37}) {
      const std::string sizes = std::to_string(n) + "," + std::to_string(m), row = std::to_string(m);
      check_against_interpreter("kernel parallel=[" + sizes +
                                "] reduce=[] vector=1\n"
                                "  params: p0 f32, p1 f32, p2 f32, p3 f32 out\n"
                                "  %0: f32 = load p0 [" +
                                row +
                                ",1]+2\n"
                                "  %1: f32 = load p1 [1,0]+1\n"
                                "  %2: f32 = load p2 [1," +
                                std::to_string(n) +
                                "]+0\n"
                                "  %3: f32 = mul %0, %1\n"
                                "  %4: f32 = sub %3, %2\n"
                                "  %5: f32 = load p1 [0,0]+0\n"
                                "  %6: f32 = add %4, %5\n"
                                "  store p3 [" +
                                row + ",1]+3 %6\n");
    }
}

TEST_CASE("strided stores") {
  for (const char* type : {"f32", "i16", "b1", "f64"})
    check_against_interpreter("kernel parallel=[5,23] reduce=[] vector=1\n  params: p0 " + std::string(type) + ", p1 " +
                              type + " out\n  %0: " + type + " = load p0 [23,1]+0\n  store p1 [1,5]+0 %0\n");
}

TEST_CASE("transposed loads") {
  for (const char* type : {"f32", "f64", "i16", "b1"})
    for (auto [n, m] : {std::pair(16, 16), {33, 50}, {64, 7}, {70, 130}, {5, 40}}) {
      const std::string rows = std::to_string(n), columns = std::to_string(m), element = type,
                        all = std::to_string(n * m);
      check_against_interpreter("kernel parallel=[3," + rows + "," + columns + "] reduce=[] vector=2\n  params: p0 " +
                                element + ", p1 " + element + ", p2 b1, p3 " + element + " out\n  %0: " + element +
                                " = load p0 [" + all + ",1," + rows + "]+1\n  %1: " + element + " = load p1 [" + all +
                                "," + columns + ",1]+0\n  %2: b1 = load p2 [0,1,0]+0\n" + "  %3: " + element +
                                " = where %2, %0, %1\n  store p3 [" + all + "," + columns + ",1]+0 %3\n");
    }
}

TEST_CASE("rows: a reduction along the lanes, used again") {
  for (int n : {1, 2, 15, 16, 17, 48, 64, 65, 130, 1000}) {
    const std::string extent = std::to_string(n);
    check_against_interpreter("kernel parallel=[9] reduce=[" + extent +
                                  "] vector=1\n"
                                  "  params: p0 f64, p1 f64 out, p2 f64 out\n"
                                  "  %0: f64 = load p0 [" +
                                  extent +
                                  ",1]+0\n"
                                  "  %1: f64 row = max %0\n"
                                  "  %2: f64 = sub %0, %1\n"
                                  "  %3: f64 = exp %2\n"
                                  "  %4: f64 row = sum %3\n"
                                  "  %5: f64 = div %3, %4\n"
                                  "  store p1 [" +
                                  extent +
                                  ",1]+0 %5\n"
                                  "  store row p2 [1,0]+0 %4\n",
                              64, 1e-300);
  }
}

TEST_CASE("columns: lanes are parallel points") {
  for (int n : {1, 3, 16, 17, 70, 130})
    for (int r : {1, 2, 33, 1500}) {
      const std::string columns = std::to_string(n);
      check_against_interpreter("kernel parallel=[" + columns + "] reduce=[" + std::to_string(r) +
                                "] vector=0\n"
                                "  params: p0 i32, p1 i32 out, p2 i32 out, p3 i64 out\n"
                                "  %0: i32 = load p0 [1," +
                                columns +
                                "]+0\n"
                                "  %1: i32 row = sum %0\n"
                                "  %2: i32 row = max %0\n"
                                "  %3: i64 row = argmax %0\n"
                                "  store row p1 [1,0]+0 %1\n"
                                "  store row p2 [1,0]+0 %2\n"
                                "  store row p3 [1,0]+0 %3\n");
    }
}

TEST_CASE("several reduce axes and parallel axes") {
  for (int vector : {1, 3, -1})
    check_against_interpreter("kernel parallel=[3,5] reduce=[7,19] vector=" + std::to_string(vector) +
                              "\n"
                              "  params: p0 i64, p1 i64, p2 i64 out, p3 i64 out\n"
                              "  %0: i64 = load p0 [665,19,95,1]+0\n"
                              "  %1: i64 = load p1 [0,1,0,5]+0\n"
                              "  %2: i64 = mul %0, %1\n"
                              "  %3: i64 row = sum %2\n"
                              "  %4: i64 row = argmin %0\n"
                              "  %5: i64 = sub %2, %3\n"
                              "  store p2 [665,133,19,1]+0 %5\n"
                              "  store row p3 [5,1,0,0]+0 %4\n");
}

}  // namespace braze
