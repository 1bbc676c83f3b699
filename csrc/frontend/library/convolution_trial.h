// Which form of a convolution is fastest here, found by running each, once on a machine.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "passes/fused_convolution.h"
#include "support/options.h"

namespace braze {

enum class ConvolutionForm {
  Fused,    // oneDNN's, with its epilogue
  Plain,    // PyTorch's own convolution, then the epilogue
  Product,  // of two matrices, then the epilogue
  Own,      // kernels of ours
};

/// One call on channels-last memory.
class ConvolutionTrial {
 public:
  /// `weight`: any numbers, in any layout. A call whose weight may be packed is tried with it packed. `source`: where
  /// the input lies before it is copied for the library, if kernels of ours may read it there. `fused` and `options`
  /// outlive the trial.
  ConvolutionTrial(const FusedConvolution& fused, Geometry result, at::Tensor weight, bool may_pack,
                   const Options& options, std::optional<Geometry> source = std::nullopt);

  ConvolutionForm fastest() const;
  /// Whether it is faster than on the memory that `input` and `result` describe, when the weight has to be copied.
  bool beats_layout_of(const Geometry& input, const Geometry& result) const;

  /// The weight in oneDNN's own layout for this call.
  at::Tensor pack() const;
  at::Tensor channels_last() const { return weight_.clone(at::MemoryFormat::ChannelsLast); }
  /// The weight as a kernel of ours walks over it.
  at::Tensor as_walked() const;

 private:
  class Runs;

  std::string question(const char* asked) const;
  ConvolutionForm find_fastest() const;
  double seconds_as_own() const;
  /// Copies of a form of the weight, to be taken in turn: what a model reads once a call is in no cache.
  std::vector<at::Tensor> copies_of(const std::function<at::Tensor()>& make) const;

  const FusedConvolution& fused_;
  const Geometry result_;
  const at::Tensor weight_;
  const bool may_pack_;
  const Options& options_;
  const std::optional<Geometry> source_;
};

}  // namespace braze
