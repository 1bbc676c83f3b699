// Random programs of primitives, for comparing ways to run them.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "graph/graph.h"

namespace braze {

struct RandomProgram {
  Graph graph;
  std::vector<std::vector<std::byte>> inputs;
};

/// The program of a seed: views of every kind, updates, reductions, gathers, copies of one value to several outputs,
/// inputs that end with other contents, empty values, library calls named test::blend (fresh result) and test::grow_
/// (writes its first operand).
RandomProgram random_program(uint32_t seed, int nodes);

}  // namespace braze
