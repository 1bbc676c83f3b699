#include <catch2/catch.hpp>

#include "pass_golden.h"

using namespace braze;

TEST_CASE("algebra rules keep every bit") { check_pass(algebra, "passes/algebra"); }
TEST_CASE("algebra leaves alone what would change a bit") { check_pass(algebra, "passes/algebra_refused"); }
