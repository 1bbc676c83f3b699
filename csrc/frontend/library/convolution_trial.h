// Which form of a convolution is fastest here, found by running each, once on a machine.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "passes/fused_convolution.h"
#include "support/options.h"

namespace braze {

enum class ConvolutionForm {
  Fused,    // oneDNN's, with its epilogue
  Plain,    // PyTorch's own convolution, then the epilogue
  Product,  // of two matrices, then the epilogue
};

/// One call on channels-last memory.
class ConvolutionTrial {
 public:
  /// `weight`: any numbers, in any layout. A call whose weight may be packed is tried with it packed. `fused` and
  /// `options` outlive the trial.
  ConvolutionTrial(const FusedConvolution& fused, Geometry result, at::Tensor weight, bool may_pack,
                   const Options& options);

  ConvolutionForm fastest() const;
  /// Whether it is faster than on the memory that `input` and `result` describe, when the weight has to be copied.
  bool beats_layout_of(const Geometry& input, const Geometry& result) const;

  /// The weight in oneDNN's own layout for this call.
  at::Tensor pack() const;
  at::Tensor channels_last() const { return weight_.clone(at::MemoryFormat::ChannelsLast); }

 private:
  class Runs;

  std::string question(const char* asked) const;
  ConvolutionForm find_fastest() const;

  const FusedConvolution& fused_;
  const Geometry result_;
  const at::Tensor weight_;
  const bool may_pack_;
  const Options& options_;
};

}  // namespace braze
