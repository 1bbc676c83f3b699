// oneDNN's convolution on a packed weight, with its epilogue, costs some 30 us before it begins. Where there is little
// work PyTorch's own convolution is faster, and one of 1x1 with channels innermost is a product of two matrices.
// Kernels of ours begin at once and do more on the way; how good they are at the sums depends on the shape.
#include "frontend/library/convolution_trial.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>

#include <ATen/core/LegacyTypeDispatch.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <utility>

#include "compiler.h"
#include "frontend/call/program_trial.h"
#include "frontend/capture/convert.h"
#include "frontend/library/library_call.h"
#include "frontend/library/out_variant.h"
#include "frontend/library/remembered.h"
#include "frontend/library/trial_run.h"
#include "passes/convolution_forms.h"
#include "passes/own_convolution.h"

namespace braze {
namespace {

constexpr int64_t kCachedBytes = int64_t{8} << 20;  // the copies of a weight have together, or more
constexpr int64_t kMostCopies = 8;
constexpr double kWorthFusion = 1.03;  // what follows is a part of our kernel

/// Takes turns.
class InTurn {
 public:
  explicit InTurn(std::vector<at::Tensor> tensors) : tensors_(std::move(tensors)) {}
  const at::Tensor& next() { return tensors_[turn_++ % tensors_.size()]; }

 private:
  std::vector<at::Tensor> tensors_;
  size_t turn_ = 0;
};

at::Tensor ones_over(const Geometry& g, const at::TensorOptions& options) {
  return at::empty_strided(g.sizes, g.strides, options).fill_(1);
}

}  // namespace

/// Tensors to try it on, which nobody needs where the answer is known.
class ConvolutionTrial::Runs {
 public:
  explicit Runs(const ConvolutionTrial& trial) : fused_(trial.fused_), conv_(trial.fused_.conv) {
    const auto options = trial.weight_.options();
    x_ = ones_over(trial.source_ ? trial.source_->geometry : conv_.input.geometry, options);
    if (!trial.source_) x_ = x_.contiguous(at::MemoryFormat::ChannelsLast);
    out_ = ones_over(trial.result_, options).contiguous(at::MemoryFormat::ChannelsLast);
    if (fused_.residual) residual_ = at::ones_like(out_);
    if (conv_.bias) bias_ = at::ones({trial.result_.sizes[1]}, options);
  }

  /// A copy where the library would be given one.
  at::Tensor input() const { return x_.contiguous(at::MemoryFormat::ChannelsLast); }

  at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight) const {
    const auto bias = conv_.bias ? std::optional<at::Tensor>(bias_) : std::nullopt;
    return at::convolution(x, weight, bias, conv_.stride, conv_.padding, conv_.dilation, false, {0, 0}, conv_.groups);
  }

  void plain(const at::Tensor& weight) const {
    convolve(input(), weight);
    epilogue();
  }

  void product(const at::Tensor& weight) const {
    const int64_t inner = weight.size(0), columns = weight.size(1), rows = out_.numel() / columns;
    const at::Tensor x = input().permute({0, 2, 3, 1}).view({rows, inner});
    at::Tensor out = at::empty({rows, columns}, x_.options());
    if (conv_.bias)
      at::addmm_out(out, bias_, x, weight);
    else
      at::mm_out(out, x, weight);
    epilogue();
  }

  void fused(const at::Tensor& weight) const {
    c10::impl::GenericList scalars(c10::OptionalType::create(c10::NumberType::get()));
    for (double number : fused_.scalars) scalars.push_back(c10::IValue(number));
    std::vector<c10::IValue> stack = {input()};
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
                                   const Options& options, std::optional<OwnInput> source)
    : fused_(fused),
      result_(std::move(result)),
      weight_(std::move(weight)),
      may_pack_(may_pack),
      options_(options),
      source_(options.products == "library" ? std::nullopt : std::move(source)) {}

at::Tensor ConvolutionTrial::as_walked() const {
  const auto [panel, order] = weight_layout(fused_, source_->geometry);
  std::vector<int64_t> sizes = weight_.sizes().vec(), back(order.size());
  sizes[0] /= panel;
  sizes.insert(sizes.begin() + 1, panel);
  for (size_t d = 0; d < order.size(); ++d) back[order[d]] = static_cast<int64_t>(d);
  return weight_.contiguous().view(sizes).permute(order).clone(at::MemoryFormat::Contiguous).permute(back);
}

std::vector<at::Tensor> ConvolutionTrial::copies_of(const std::function<at::Tensor()>& make) const {
  const int64_t bytes = weight_.numel() * weight_.element_size();
  std::vector<at::Tensor> copies;
  for (int64_t n = std::clamp<int64_t>(kCachedBytes / bytes, 1, kMostCopies); n > 0; --n) copies.push_back(make());
  return copies;
}

at::Tensor ConvolutionTrial::pack() const {
  const ConvolutionCall& conv = fused_.conv;
  std::vector<c10::IValue> stack = {weight_.contiguous(), conv.padding, conv.stride,
                                    conv.dilation,        conv.groups,  conv.input.geometry.sizes};
  call_library("mkldnn::_reorder_convolution_weight", stack);
  return stack[0].toTensor();
}

ConvolutionForm ConvolutionTrial::fastest() const {
  if (source_ && options_.products == "own") return ConvolutionForm::Own;
  const size_t form =
      remembered_choice(question(may_pack_ ? "packed" : "as it is"), {"fused", "plain", "product", "own"},
                        [this] { return static_cast<size_t>(find_fastest()); });
  return static_cast<ConvolutionForm>(form);
}

ConvolutionForm ConvolutionTrial::find_fastest() const {
  const pybind11::gil_scoped_acquire calls_need_it;
  const Runs runs(*this);
  std::vector<ConvolutionForm> forms;
  std::vector<std::function<void()>> ways;
  auto add = [&](ConvolutionForm form, const auto& prepare) {
    try {
      std::function<void()> way = prepare();
      way();
      ways.push_back(std::move(way));
      forms.push_back(form);
    } catch (const std::exception&) {  // the library refuses some shapes; one that fails is not taken
    }
  };
  using Use = void (Runs::*)(const at::Tensor&) const;
  auto library = [&](Use use, const std::function<at::Tensor()>& weight) {
    return [&runs, use, weights = InTurn(copies_of(weight))]() mutable { (runs.*use)(weights.next()); };
  };
  at::AutoDispatchBelowADInplaceOrView below_autograd;
  add(ConvolutionForm::Plain, [&] { return library(&Runs::plain, [&] { return channels_last(); }); });
  add(ConvolutionForm::Fused,
      [&] { return library(&Runs::fused, [&] { return may_pack_ ? pack() : channels_last(); }); });
  if (may_be_product(fused_)) {
    const at::Tensor weight = weight_.contiguous().view({weight_.size(0), weight_.size(1)}).t();
    auto form = [&] { return may_pack_ ? weight.clone(at::MemoryFormat::Contiguous) : weight.clone(); };
    add(ConvolutionForm::Product, [&] { return library(&Runs::product, form); });
  }
  if (source_) add(ConvolutionForm::Own, [&] { return own_program(); });
  std::vector<double> seconds = seconds_in_turn(ways);
  for (size_t w = 0; w < forms.size(); ++w)
    if (forms[w] == ConvolutionForm::Own) seconds[w] /= kWorthFusion;
  return forms.at(std::min_element(seconds.begin(), seconds.end()) - seconds.begin());
}

std::function<void()> ConvolutionTrial::own_program() const {
  CapturedProgram program;
  Graph& graph = program.graph;
  auto input = [&](Geometry geometry) {
    geometry.offset = 0;
    const ValueId id = graph.add_input(DType::f32, geometry.extent());
    program.inputs.push_back({static_cast<int>(program.inputs.size()), 0});
    return Access{id, std::move(geometry)};
  };
  FusedConvolution fused = fused_;
  Geometry source = source_->geometry;
  if (!source_->is_copied) {
    source = padded(source, fused.conv.padding);
    fused.conv.padding = {0, 0};
  }
  fused.conv.input = input(source);
  if (fused.residual) fused.residual = input(fused.residual->geometry);
  if (fused.conv.bias) fused.conv.bias = input(fused.conv.bias->geometry);
  const at::Tensor weight = as_walked();
  const Access walked = input({0, weight.sizes().vec(), weight.strides().vec()});
  fused.conv.result = graph.add_value(DType::f32, result_);
  append_own(graph, fused, walked, fused.conv.result);
  graph.outputs = {fused.conv.result};
  program.outputs = {{TensorOutput::Kind::Buffer, 0, DType::f32, result_}};
  const int64_t bytes = weight.numel() * weight.element_size();
  auto trial = std::make_shared<ProgramTrial>(program, compile(graph, options_, has_out_variant, nullptr),
                                              std::clamp<int64_t>(kCachedBytes / bytes, 1, kMostCopies));
  return [trial] { trial->run(); };
}

bool ConvolutionTrial::beats_layout_of(const Geometry& input, const Geometry& result) const {
  std::string text = question("against");
  for (const auto* strides : {&input.strides, &result.strides})
    for (int64_t n : *strides) text += " " + std::to_string(n);
  return remembered_choice(text, {"stays", "moves"}, [&]() -> size_t {
           const Runs runs(*this);
           const at::Tensor x = ones_over({0, input.sizes, input.strides}, weight_.options());
           const at::Tensor weight = weight_.contiguous();
           const auto [there, here] =
               seconds_in_turn([&] { runs.convolve(x, weight); },
                               [&] { runs.convolve(runs.input(), weight.contiguous(at::MemoryFormat::ChannelsLast)); });
           return here < there ? 1 : 0;
         }) == 1;
}

std::string ConvolutionTrial::question(const char* asked) const {
  const ConvolutionCall& conv = fused_.conv;
  std::string text = "form of a convolution " + circumstances(options_) + "; " + asked + " ";
  text += info(*dtype_of(weight_.scalar_type())).name;
  text += (conv.bias ? " bias " : " ") + fused_.activation + (fused_.residual ? " residual" : "");
  const Geometry &x = conv.input.geometry, &w = conv.weight.geometry;
  for (const auto* list : {&x.sizes, &x.strides, &w.sizes, &conv.padding, &conv.stride, &conv.dilation}) {
    text += ",";
    for (int64_t n : *list) text += " " + std::to_string(n);
  }
  if (source_) text += (source_->is_copied ? " copied from" : " read from") + in_words(source_->geometry);
  return text + " groups " + std::to_string(conv.groups);
}

}  // namespace braze
