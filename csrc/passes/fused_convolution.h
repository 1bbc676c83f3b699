// oneDNN's convolution with its epilogue, mkldnn::_convolution_pointwise, as a node: (X, [other,] W, B, padding,
// stride, dilation, groups, epilogue).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "passes/convolution_call.h"

namespace braze {

struct FusedConvolution {
  ConvolutionCall conv;
  std::optional<Access> residual;   // added to the result
  std::string activation = "none";  // applied last, by oneDNN's name
  std::vector<double> scalars;      // its parameters
};

/// Whether a node is such a call.
bool is_fused_convolution(const Node& node);
/// Where the argument W stands.
size_t weight_argument(const Node& node);
FusedConvolution read_fused_convolution(const Node& node);
Node write_fused_convolution(const FusedConvolution& fused, ValueId result);

/// Whether oneDNN's call can stand for a convolution.
bool is_for_onednn(const Graph& graph, const ConvolutionCall& conv);

/// oneDNN's name of an activation that an ATen operator ("aten::relu") computes, and the other way; empty when it has
/// none.
std::string activation_of(std::string_view op);
std::string op_of_activation(std::string_view activation);

}  // namespace braze
