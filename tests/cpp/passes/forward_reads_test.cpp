#include <catch2/catch.hpp>

#include "pass_golden.h"

using namespace braze;

TEST_CASE("in-place operators leave nothing behind") { check_pass(forward_reads, "passes/forward_reads_whole"); }
TEST_CASE("reads of an updated region go to its source, others to the older version") {
  check_pass(forward_reads, "passes/forward_reads_parts");
}
TEST_CASE("outputs keep buffers of their own") { check_pass(forward_reads, "passes/forward_reads_outputs"); }
TEST_CASE("calls PyTorch runs keep the memory layout eager gave them") {
  check_pass(forward_reads, "passes/forward_reads_extern", false);
}
