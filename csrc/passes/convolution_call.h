// A call of aten::convolution, read once: (input, weight, bias, stride, padding, dilation, transposed, output_padding,
// groups).
#pragma once

#include <optional>
#include <vector>

#include "graph/graph.h"

namespace braze {

struct ConvolutionCall {
  Access input, weight;
  std::optional<Access> bias;
  std::vector<int64_t> stride, padding, dilation;
  bool transposed = false;
  int64_t groups = 1;
  ValueId result = -1;
};

/// Nothing when the node is no convolution, or one with arguments of other kinds.
std::optional<ConvolutionCall> read_convolution(const Node& node);

}  // namespace braze
