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

/// What kernels of ours may read: where it lies before it is copied for the library, and whether they have to copy it
/// where they need zeros round it. Elsewhere a kernel that makes it writes it there.
struct OwnInput {
  Geometry geometry;
  bool is_copied = true;
};

/// One call on channels-last memory.
class ConvolutionTrial {
 public:
  /// `weight`: any numbers, in any layout. A call whose weight may be packed is tried with it packed. `source`: if
  /// kernels of ours may compute it. `fused` and `options` outlive the trial.
  ConvolutionTrial(const FusedConvolution& fused, Geometry result, at::Tensor weight, bool may_pack,
                   const Options& options, std::optional<OwnInput> source = std::nullopt);

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
  /// Runs a program that is nothing but the convolution by kernels of ours and its epilogue.
  std::function<void()> own_program() const;
  /// Copies of a form of the weight, to be taken in turn: what a model reads once a call is in no cache.
  std::vector<at::Tensor> copies_of(const std::function<at::Tensor()>& make) const;

  const FusedConvolution& fused_;
  const Geometry result_;
  const at::Tensor weight_;
  const bool may_pack_;
  const Options& options_;
  const std::optional<OwnInput> source_;
};

}  // namespace braze
