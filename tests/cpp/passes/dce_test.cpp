#include <catch2/catch.hpp>

#include "pass_golden.h"

using namespace braze;

TEST_CASE("what nobody reads is dropped, random draws stay") { check_pass(dce, "passes/dce", false); }
