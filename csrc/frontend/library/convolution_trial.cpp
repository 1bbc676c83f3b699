// oneDNN's convolution on a packed weight, with its epilogue, costs some 30 us before it begins. Where there is little
// work PyTorch's own convolution is faster, and one of 1x1 with channels innermost is a product of two matrices.
#include "frontend/library/convolution_trial.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "frontend/capture/convert.h"
#include "frontend/library/library_call.h"
#include "frontend/library/remembered.h"
#include "frontend/library/trial_run.h"
#include "passes/convolution_forms.h"

namespace braze {
namespace {

at::Tensor ones_over(const Geometry& g, const at::TensorOptions& options) {
  return at::empty_strided(g.sizes, g.strides, options).fill_(1);
}

}  // namespace

/// Tensors to try it on, which nobody needs where the answer is known.
class ConvolutionTrial::Runs {
 public:
  explicit Runs(const ConvolutionTrial& trial) : fused_(trial.fused_), conv_(trial.fused_.conv) {
    const auto options = trial.weight_.options();
    x_ = ones_over(conv_.input.geometry, options).contiguous(at::MemoryFormat::ChannelsLast);
    out_ = ones_over(trial.result_, options).contiguous(at::MemoryFormat::ChannelsLast);
    if (fused_.residual) residual_ = at::ones_like(out_);
    if (conv_.bias) bias_ = at::ones({trial.result_.sizes[1]}, options);
  }

  const at::Tensor& input() const { return x_; }

  at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight) const {
    const auto bias = conv_.bias ? std::optional<at::Tensor>(bias_) : std::nullopt;
    return at::convolution(x, weight, bias, conv_.stride, conv_.padding, conv_.dilation, false, {0, 0}, conv_.groups);
  }

  void plain(const at::Tensor& weight) const {
    convolve(x_, weight);
    epilogue();
  }

  double seconds_as_product(const at::Tensor& weight) const {
    const int64_t inner = weight.size(0), columns = weight.size(1), rows = out_.numel() / columns;
    const at::Tensor x = at::ones({rows, inner}, x_.options());
    at::Tensor out = at::empty({rows, columns}, x_.options());
    return seconds_of([&] {
      if (conv_.bias)
        at::addmm_out(out, bias_, x, weight);
      else
        at::mm_out(out, x, weight);
      epilogue();
    });
  }

  void fused(const at::Tensor& weight) const {
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

 private:
  void epilogue() const {
    if (fused_.residual) out_.add(residual_);
    if (fused_.activation == "none") return;
    std::vector<c10::IValue> stack = {out_};
    for (double number : fused_.scalars) stack.emplace_back(at::Scalar(number));
    call_library(op_of_activation(fused_.activation), stack);
  }

  const FusedConvolution& fused_;
  const ConvolutionCall& conv_;
  at::Tensor x_, out_, residual_, bias_;
};

ConvolutionTrial::ConvolutionTrial(const FusedConvolution& fused, Geometry result, at::Tensor weight, bool may_pack,
                                   const Options& options)
    : fused_(fused), result_(std::move(result)), weight_(std::move(weight)), may_pack_(may_pack), options_(options) {}

at::Tensor ConvolutionTrial::pack() const {
  const ConvolutionCall& conv = fused_.conv;
  std::vector<c10::IValue> stack = {weight_.contiguous(), conv.padding, conv.stride,
                                    conv.dilation,        conv.groups,  conv.input.geometry.sizes};
  call_library("mkldnn::_reorder_convolution_weight", stack);
  return stack[0].toTensor();
}

ConvolutionForm ConvolutionTrial::fastest() const {
  const size_t form = remembered_choice(question(may_pack_ ? "packed" : "as it is"), {"fused", "plain", "product"},
                                        [this] { return static_cast<size_t>(find_fastest()); });
  return static_cast<ConvolutionForm>(form);
}

ConvolutionForm ConvolutionTrial::find_fastest() const {
  const Runs runs(*this);
  const double fused =
      seconds_if_it_runs([&] { return [&, weight = may_pack_ ? pack() : channels_last()] { runs.fused(weight); }; });
  const double plain = seconds_of([&, weight = channels_last()] { runs.plain(weight); });
  if (may_be_product(fused_)) {
    at::Tensor weight = weight_.contiguous().view({weight_.size(0), weight_.size(1)}).t();
    if (may_pack_) weight = weight.contiguous();
    if (runs.seconds_as_product(weight) < std::min(plain, fused)) return ConvolutionForm::Product;
  }
  return plain < fused ? ConvolutionForm::Plain : ConvolutionForm::Fused;
}

bool ConvolutionTrial::beats_layout_of(const Geometry& input, const Geometry& result) const {
  std::string text = question("against");
  for (const auto* strides : {&input.strides, &result.strides})
    for (int64_t n : *strides) text += " " + std::to_string(n);
  return remembered_choice(text, {"stays", "moves"}, [&]() -> size_t {
           const Runs runs(*this);
           const at::Tensor x = ones_over({0, input.sizes, input.strides}, weight_.options());
           const at::Tensor weight = weight_.contiguous();
           const double there = seconds_of([&] { runs.convolve(x, weight); });
           const double here =
               seconds_of([&] { runs.convolve(runs.input(), weight.contiguous(at::MemoryFormat::ChannelsLast)); });
           return here < there ? 1 : 0;
         }) == 1;
}

std::string ConvolutionTrial::question(const char* asked) const {
  const ConvolutionCall& conv = fused_.conv;
  std::string text = "convolution " + circumstances(options_) + "; " + asked + " ";
  text += info(*dtype_of(weight_.scalar_type())).name;
  text += (conv.bias ? " bias " : " ") + fused_.activation + (fused_.residual ? " residual" : "");
  const Geometry &x = conv.input.geometry, &w = conv.weight.geometry;
  for (const auto* list : {&x.sizes, &x.strides, &w.sizes, &conv.padding, &conv.stride, &conv.dilation}) {
    text += ",";
    for (int64_t n : *list) text += " " + std::to_string(n);
  }
  return text + " groups " + std::to_string(conv.groups);
}

}  // namespace braze
