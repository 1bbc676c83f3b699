// A graph as text: one line a node, dtype and geometry on each. parse.h is the inverse, so text is also how tests write
// graphs.
//
//   graph
//   inputs %0: f32[128:1], %1: i64[4:1]
//   %2: f32[8,16:16,1] = add %0[8,16:16,1], 0x1p+0:f32  # aten::add.Tensor
//   %3: f32[8,1:1,1] = sum dims=[1] %2[8,16:16,1]
//   %4: f32[4,8:8,1] = gather %2[4,8:0,1], %1[4,8:1,0]{8*16}
//   %5: f32[128:1] = update at [8:16]+3 %0[128:1], %3[8:1]
//   %6: f32[4,8:8,1] = extern aten::mm.default($0, $1, [1, 2], none) returns(0) of %4[4,8:8,1], %2[8,8:16,1]
//   outputs %6
//   mutates input 0 = %5
//
//  - A geometry is [sizes:strides]+offset. A value whose buffer is longer than its shape reaches ends in "/length", a
//    frozen input in "frozen".
//  - {8*16}: this index operand moves the address by 16, and has 8 positions.
//  - `$n` is operand n of an extern call; its other arguments are none, true, 3 (int), 0x1p+0 (double),
//    complex(0x0p+0, 0x1p+0), "text", named "dtype" "float32", [1, 2] (ints), tensors [$0, $1], doubles [..], bools
//    [..]. `mutates(0->1)` pairs operands with results, `returns(0, -1)` schema returns with results.
#pragma once

#include <string>

#include "graph/graph.h"

namespace braze {

/// The whole graph as text, ids as they are.
std::string print(const Graph& graph);

/// A text equal for graphs that are equal: values numbered in order of appearance, origins left out.
std::string print_canonical(const Graph& graph);

std::string print(const Geometry& geometry);
std::string print(const Scalar& scalar);
std::string print(const Operand& operand);
/// One node as its line of the graph's text, without the line break.
std::string print(const Graph& graph, const Node& node);

}  // namespace braze
