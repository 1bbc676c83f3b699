// Which form of a convolution is fastest here, found by running each, once in the life of the process.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>

#include "passes/fused_convolution.h"

namespace braze {

enum class ConvolutionForm {
  Fused,    // oneDNN's, with its epilogue
  Plain,    // PyTorch's own convolution, then the epilogue
  Product,  // of two matrices, then the epilogue
};

/// One call on channels-last memory, with tensors to try it on.
class ConvolutionTrial {
 public:
  /// `weight`: dense, any numbers. A call whose weight may be packed is tried with it packed.
  ConvolutionTrial(const FusedConvolution& fused, const Geometry& result, at::Tensor weight, bool may_pack);

  ConvolutionForm fastest() const;
  /// Whether it is faster than on the memory that `input` and `result` describe, when the weight has to be copied.
  bool beats_layout_of(const Geometry& input, const Geometry& result) const;

  /// The weight in oneDNN's own layout for this call.
  at::Tensor pack() const;
  at::Tensor channels_last() const { return weight_.clone(at::MemoryFormat::ChannelsLast); }

 private:
  std::string question(const char* asked) const;
  ConvolutionForm find_fastest() const;
  at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight) const;
  void run_fused(const at::Tensor& weight) const;
  void run_epilogue() const;
  std::optional<at::Tensor> optional_bias() const;

  const FusedConvolution& fused_;
  const ConvolutionCall& conv_;
  const bool may_pack_;
  at::Tensor weight_, x_, out_, residual_, bias_;
};

}  // namespace braze
