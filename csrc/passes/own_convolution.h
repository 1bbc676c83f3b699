// A convolution and its epilogue that kernels of ours compute: a sum of products over the window, and over the channels
// unless each channel has a window of its own, with what is done to each result.
#pragma once

#include "passes/fused_convolution.h"

namespace braze {

/// Whether kernels of ours compute it.
bool may_be_own(const Graph& graph, const FusedConvolution& fused);

/// Where the numbers of the input lie: those that a copy to channels-last memory was made of are read there.
Access read_before_copy(const Graph& graph, const Access& input);

/// Memory for an input with zeros round it.
Geometry padded(const Geometry& input, const std::vector<int64_t>& padding);

/// How a weight [out, in, height, width] is best laid out for a kernel that reads `input`: as [out / panel, panel, in,
/// height, width], with these dims outermost first.
struct WeightLayout {
  int64_t panel = 1;  // all of `out` where it is better left whole
  std::vector<int64_t> order;
};
WeightLayout weight_layout(const FusedConvolution& fused, const Geometry& input);

/// The kernels' primitives and the epilogue, into `result`. `weight`: as above, or [out, in, height, width] in any
/// layout.
void append_own(Graph& graph, const FusedConvolution& fused, const Access& weight, ValueId result);

}  // namespace braze
