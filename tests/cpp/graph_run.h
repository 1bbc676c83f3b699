// Running graphs in tests: buffers of seeded numbers, and the question whether two graphs compute the same.
#pragma once

#include <string>
#include <vector>

#include "backends/reference/interpret_graph.h"
#include "graph/graph.h"

namespace braze {

/// A buffer of `length` elements of `dtype` holding these numbers, cycled.
Buffer buffer_of(DType dtype, const std::vector<double>& numbers, int64_t length);
std::vector<double> numbers_in(const Buffer& buffer, DType dtype);

/// Buffers for all inputs of a graph: seeded numbers, special ones (NaN, infinities, -0.0) among the floats; integers
/// are small and not negative, so that they can be positions.
std::vector<Buffer> seeded_inputs(const Graph& graph, unsigned seed);

/// Requires that both graphs, which have the same inputs, leave the same bytes (any NaN for any NaN) in outputs and
/// mutated inputs.
void check_same_results(const Graph& before, const Graph& after);

/// Runs a graph text on numbers, one vector an input, and gives the numbers of its first output.
std::vector<double> run_text(const Graph& graph, const std::vector<std::vector<double>>& inputs);

}  // namespace braze
