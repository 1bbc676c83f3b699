#include <catch2/catch.hpp>

#include "pass_golden.h"

using namespace braze;

TEST_CASE("a bias is added on the way where arithmetic follows") {
  check_pass(part_biases, "passes/part_biases", false);
}

TEST_CASE("a bias stays with its product where its result is seen as it is") {
  check_pass(part_biases, "passes/part_biases_kept", false);
}
