#include <catch2/catch.hpp>

#include "pass_golden.h"

using namespace braze;

TEST_CASE("division by a power of two is multiplication") { check_pass(exact_reciprocals, "passes/exact_reciprocals"); }
