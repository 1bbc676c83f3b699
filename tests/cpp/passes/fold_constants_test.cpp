#include <catch2/catch.hpp>

#include "pass_golden.h"

using namespace braze;

TEST_CASE("nodes over numbers become numbers") { check_pass(fold_constants, "passes/fold_constants"); }
