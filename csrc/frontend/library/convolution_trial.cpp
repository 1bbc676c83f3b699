// oneDNN's convolution on a packed weight, with its epilogue, costs some 30 us before it begins. Where there is little
// work PyTorch's own convolution is faster, and one of 1x1 with channels innermost is a product of two matrices.
#include "frontend/library/convolution_trial.h"

#include <ATen/Parallel.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>

#include <algorithm>
#include <utility>

#include "frontend/capture/convert.h"
#include "frontend/library/library_call.h"
#include "frontend/library/trial_run.h"
#include "passes/convolution_forms.h"

namespace braze {
namespace {

at::Tensor ones_over(const Geometry& g, const at::TensorOptions& options) {
  return at::empty_strided(g.sizes, g.strides, options).fill_(1);
}

}  // namespace

ConvolutionTrial::ConvolutionTrial(const FusedConvolution& fused, const Geometry& result, at::Tensor weight,
                                   bool may_pack)
    : fused_(fused), conv_(fused.conv), may_pack_(may_pack), weight_(std::move(weight)) {
  const auto options = weight_.options();
  x_ = ones_over(conv_.input.geometry, options).contiguous(at::MemoryFormat::ChannelsLast);
  out_ = ones_over(result, options).contiguous(at::MemoryFormat::ChannelsLast);
  if (fused.residual) residual_ = at::ones_like(out_);
  if (conv_.bias) bias_ = at::ones({result.sizes[1]}, options);
}

at::Tensor ConvolutionTrial::pack() const {
  std::vector<c10::IValue> stack = {weight_.contiguous(), conv_.padding, conv_.stride,
                                    conv_.dilation,       conv_.groups,  conv_.input.geometry.sizes};
  call_library("mkldnn::_reorder_convolution_weight", stack);
  return stack[0].toTensor();
}

ConvolutionForm ConvolutionTrial::fastest() const {
  static Memory<ConvolutionForm> known;
  return known.get(question(may_pack_ ? "packed" : "as it is"), [this] { return find_fastest(); });
}

ConvolutionForm ConvolutionTrial::find_fastest() const {
  const double fused = seconds_if_it_runs(
      [this] { return [this, weight = may_pack_ ? pack() : channels_last()] { run_fused(weight); }; });
  const double plain = seconds_of([this, weight = channels_last()] {
    convolve(x_, weight);
    run_epilogue();
  });
  if (may_be_product(fused_)) {
    const int64_t inner = weight_.size(1), columns = weight_.size(0), rows = out_.numel() / columns;
    const at::Tensor x = at::ones({rows, inner}, x_.options());
    at::Tensor weight = weight_.reshape({columns, inner}).t();
    if (may_pack_) weight = weight.contiguous();
    at::Tensor out = at::empty({rows, columns}, x_.options());
    const double product = seconds_of([&] {
      if (conv_.bias)
        at::addmm_out(out, bias_, x, weight);
      else
        at::mm_out(out, x, weight);
      run_epilogue();
    });
    if (product < std::min(plain, fused)) return ConvolutionForm::Product;
  }
  return plain < fused ? ConvolutionForm::Plain : ConvolutionForm::Fused;
}

bool ConvolutionTrial::beats_layout_of(const Geometry& input, const Geometry& result) const {
  static Memory<bool> known;
  std::string text = question("against");
  for (const auto* strides : {&input.strides, &result.strides})
    for (int64_t n : *strides) text += " " + std::to_string(n);
  return known.get(text, [&] {
    const at::Tensor x = ones_over({0, input.sizes, input.strides}, weight_.options());
    const at::Tensor weight = weight_.contiguous();
    const double there = seconds_of([&] { convolve(x, weight); });
    const double here = seconds_of([&] { convolve(x_, weight.contiguous(at::MemoryFormat::ChannelsLast)); });
    return here < there;
  });
}

at::Tensor ConvolutionTrial::convolve(const at::Tensor& x, const at::Tensor& weight) const {
  return at::convolution(x, weight, optional_bias(), conv_.stride, conv_.padding, conv_.dilation, false, {0, 0},
                         conv_.groups);
}

std::optional<at::Tensor> ConvolutionTrial::optional_bias() const {
  return conv_.bias ? std::optional<at::Tensor>(bias_) : std::nullopt;
}

void ConvolutionTrial::run_fused(const at::Tensor& weight) const {
  c10::impl::GenericList scalars(c10::OptionalType::create(c10::NumberType::get()));
  for (double number : fused_.scalars) scalars.push_back(c10::IValue(number));
  std::vector<c10::IValue> stack = {x_};
  if (fused_.residual) stack.emplace_back(residual_);
  stack.emplace_back(weight);
  stack.emplace_back(conv_.bias ? c10::IValue(bias_) : c10::IValue());
  for (const auto* list : {&conv_.padding, &conv_.stride, &conv_.dilation}) stack.emplace_back(*list);
  stack.emplace_back(conv_.groups);
  if (fused_.residual) {
    stack.emplace_back("add");
    stack.emplace_back(at::Scalar(1));
  }
  const bool nothing = fused_.residual && fused_.activation == "none";
  stack.emplace_back(nothing ? c10::IValue() : c10::IValue(fused_.activation));
  stack.emplace_back(scalars);
  stack.emplace_back("");
  call_library("mkldnn::_convolution_pointwise", stack, fused_.residual ? "binary" : "");
}

void ConvolutionTrial::run_epilogue() const {
  if (fused_.residual) out_.add(residual_);
  if (fused_.activation == "none") return;
  std::vector<c10::IValue> stack = {out_};
  for (double number : fused_.scalars) stack.emplace_back(at::Scalar(number));
  call_library(op_of_activation(fused_.activation), stack);
}

std::string ConvolutionTrial::question(const char* asked) const {
  std::string text = std::string(asked) + " " + std::string(info(*dtype_of(weight_.scalar_type())).name);
  text += (conv_.bias ? " bias " : " ") + fused_.activation + (fused_.residual ? " residual" : "");
  const Geometry &x = conv_.input.geometry, &w = conv_.weight.geometry;
  for (const auto* list : {&x.sizes, &x.strides, &w.sizes, &conv_.padding, &conv_.stride, &conv_.dilation}) {
    text += ",";
    for (int64_t n : *list) text += " " + std::to_string(n);
  }
  return text + " g" + std::to_string(conv_.groups) + " t" + std::to_string(at::get_num_threads());
}

}  // namespace braze
