#include <catch2/catch.hpp>

#include "pass_golden.h"

using namespace braze;

TEST_CASE("equal nodes are computed once") { check_pass(cse, "passes/cse"); }
