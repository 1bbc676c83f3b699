// oneDNN's convolution on a packed weight, with its epilogue, costs some 30 us before it begins. Where there is little
// work PyTorch's own convolution is faster, and one of 1x1 with channels innermost is a product of two matrices. Each
// shape is run once in every form and the answer kept for the process.
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
#include "frontend/freeze/freezing.h"
#include "frontend/freeze/library_call.h"
#include "frontend/library/trial_run.h"
#include "graph/geometry.h"
#include "passes/fused_convolution.h"

namespace braze {
namespace {

enum class Form { Packed, Plain, Product };

bool all_are(const std::vector<int64_t>& numbers, int64_t wanted) {
  return std::all_of(numbers.begin(), numbers.end(), [&](int64_t n) { return n == wanted; });
}

/// The rows of an image whose channels are innermost: [N*H*W, C].
std::optional<Geometry> as_rows(const Geometry& g) {
  const int64_t c = g.sizes[1], h = g.sizes[2], w = g.sizes[3];
  if (squeezed(g) != squeezed({g.offset, g.sizes, {c * h * w, 1, c * w, c}})) return std::nullopt;
  return Geometry{g.offset, {g.sizes[0] * h * w, c}, {c, 1}};
}

bool may_be_product(const FusedConvolution& fused) {
  const ConvolutionCall& conv = fused.conv;
  const auto& w = conv.weight.geometry.sizes;
  return w[2] == 1 && w[3] == 1 && conv.groups == 1 && all_are(conv.stride, 1) && all_are(conv.padding, 0) &&
         as_rows(conv.input.geometry).has_value();
}

/// One call, with tensors to try it on.
class Layer {
 public:
  Layer(const FusedConvolution& fused, const Geometry& result, at::Tensor weight)
      : fused_(fused), conv_(fused.conv), weight_(std::move(weight)) {
    const auto options = weight_.options();
    auto make = [&](const Geometry& g) { return at::empty_strided(g.sizes, g.strides, options).fill_(1); };
    x_ = make(squeezed_image(conv_.input.geometry));
    out_ = make(result);
    if (fused.residual) residual_ = make(result);
    if (conv_.bias) bias_ = at::ones({result.sizes[1]}, options);
  }

  at::Tensor pack() const {
    std::vector<c10::IValue> stack = {weight_.contiguous(), conv_.padding, conv_.stride,
                                      conv_.dilation,       conv_.groups,  conv_.input.geometry.sizes};
    call_library("mkldnn::_reorder_convolution_weight", stack);
    return stack[0].toTensor();
  }

  at::Tensor channels_last() const { return weight_.clone(at::MemoryFormat::ChannelsLast); }

  Form fastest() const {
    const double packed = seconds_if_it_runs([this] { return [this, weight = pack()] { run_packed(weight); }; });
    const double plain = seconds_of([this, weight = channels_last()] {
      at::convolution(x_, weight, optional_bias(), conv_.stride, conv_.padding, conv_.dilation, false, {0, 0},
                      conv_.groups);
      run_epilogue();
    });
    if (may_be_product(fused_)) {
      const int64_t inner = weight_.size(1), columns = weight_.size(0), rows = out_.numel() / columns;
      const at::Tensor x = at::ones({rows, inner}, x_.options()),
                       weight = weight_.reshape({columns, inner}).t().contiguous();
      at::Tensor out = at::empty({rows, columns}, x_.options());
      const double product = seconds_of([&] {
        if (conv_.bias)
          at::addmm_out(out, bias_, x, weight);
        else
          at::mm_out(out, x, weight);
        run_epilogue();
      });
      if (product < std::min(plain, packed)) return Form::Product;
    }
    return plain < packed ? Form::Plain : Form::Packed;
  }

 private:
  static Geometry squeezed_image(Geometry g) {
    g.offset = 0;
    return g;
  }

  std::optional<at::Tensor> optional_bias() const {
    return conv_.bias ? std::optional<at::Tensor>(bias_) : std::nullopt;
  }

  void run_packed(const at::Tensor& weight) const {
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

  void run_epilogue() const {
    if (fused_.residual) out_.add(residual_);
    if (fused_.activation == "none") return;
    std::vector<c10::IValue> stack = {out_};
    for (double number : fused_.scalars) stack.emplace_back(at::Scalar(number));
    call_library(op_of_activation(fused_.activation), stack);
  }

  const FusedConvolution& fused_;
  const ConvolutionCall& conv_;
  at::Tensor weight_, x_, out_, residual_, bias_;
};

std::string question(const FusedConvolution& fused, DType dtype) {
  const ConvolutionCall& conv = fused.conv;
  std::string text(info(dtype).name);
  text += (conv.bias ? " bias " : " ") + fused.activation + (fused.residual ? " residual" : "");
  const Geometry &x = conv.input.geometry, &w = conv.weight.geometry;
  for (const auto* list : {&x.sizes, &x.strides, &w.sizes, &conv.padding, &conv.stride, &conv.dilation}) {
    text += ",";
    for (int64_t n : *list) text += " " + std::to_string(n);
  }
  return text + " g" + std::to_string(conv.groups) + " t" + std::to_string(at::get_num_threads());
}

/// Rewrites the calls one by one into a new list of nodes.
class Chooser {
 public:
  explicit Chooser(Freezing& freezing) : freezing_(freezing), graph_(freezing.program.graph) {}

  void run() {
    std::vector<Node> nodes = std::exchange(graph_.nodes, {});
    for (Node& node : nodes) {
      if (!is_fused_convolution(node) || !std::holds_alternative<TensorArg>(node.call.args[weight_argument(node)])) {
        graph_.append(std::move(node));
        continue;
      }
      const FusedConvolution fused = read_fused_convolution(node);
      const ValueId result = node.results[0];
      const DType dtype = graph_.value(result).dtype;
      const Layer layer(fused, graph_.value(result).shape, freezing_.numbers(fused.conv.weight));
      switch (known().get(question(fused, dtype), [&] { return layer.fastest(); })) {
        case Form::Packed: keep_packed(std::move(node), layer); break;
        case Form::Plain: append_plain(fused, layer, result); break;
        case Form::Product: append_product(fused, result); break;
      }
    }
  }

 private:
  static Memory<Form>& known() {
    static Memory<Form> memory;
    return memory;
  }

  void keep_packed(Node node, const Layer& layer) {
    const size_t w = weight_argument(node);
    const int operand = std::get<TensorArg>(node.call.args[w]).operand;
    const Access& weight = std::get<Access>(node.operands[operand]);
    const int64_t bytes = weight.geometry.numel() * info(graph_.value(weight.value).dtype).bytes;
    node.call.args[w] = freezing_.add_packed(layer.pack(), bytes);
    drop_operand(node, operand);
    graph_.append(std::move(node));
    ++freezing_.record.convolutions;
  }

  void append_plain(const FusedConvolution& fused, const Layer& layer, ValueId result) {
    const ConvolutionCall& conv = fused.conv;
    const at::Tensor weight = layer.channels_last();
    Node node =
        call("aten::convolution", "", {conv.input, Access{freezing_.add_constant(weight), geometry_of(weight)}});
    add_bias(node, conv);
    node.call.args.insert(node.call.args.end(),
                          {conv.stride, conv.padding, conv.dilation, false, std::vector<int64_t>{0, 0}, conv.groups});
    append_with_epilogue(std::move(node), fused, result, graph_.value(result).shape);
  }

  void append_product(const FusedConvolution& fused, ValueId result) {
    ++freezing_.record.products;
    const ConvolutionCall& conv = fused.conv;
    const Geometry rows = *as_rows(conv.input.geometry);
    Access weight = conv.weight;
    weight.geometry.sizes = {weight.geometry.sizes[1], weight.geometry.sizes[0]};
    weight.geometry.strides = {weight.geometry.strides[1], weight.geometry.strides[0]};
    Node node;
    if (conv.bias) {
      node = call("aten::addmm", "", {*conv.bias, {conv.input.value, rows}, weight});
      node.call.args.insert(node.call.args.end(), {int64_t{1}, int64_t{1}});
    } else {
      node = call("aten::mm", "", {{conv.input.value, rows}, weight});
    }
    append_with_epilogue(std::move(node), fused, result,
                         Geometry::contiguous({rows.sizes[0], weight.geometry.sizes[1]}));
  }

  /// The call gives a value of shape `made`, and the last step of the epilogue the one the graph knows.
  void append_with_epilogue(Node node, const FusedConvolution& fused, ValueId result, const Geometry& made) {
    const Value wanted = graph_.value(result);
    const bool acts = fused.activation != "none";
    auto append = [&](Node step, bool is_last, const Geometry& shape) {
      const ValueId id = is_last ? result : graph_.add_value(wanted.dtype, shape);
      if (is_last) graph_.values[id].shape = shape;
      step.results = {id};
      graph_.append(std::move(step));
      return Access{id, wanted.shape};
    };
    Access now = append(std::move(node), !fused.residual && !acts, made);
    if (fused.residual) {
      Node add = call("aten::add", "Tensor", {now, *fused.residual});
      add.call.args.push_back(int64_t{1});
      now = append(std::move(add), !acts, wanted.shape);
    }
    if (!acts) return;
    Node activation = call(op_of_activation(fused.activation), "", {now});
    for (double number : fused.scalars) activation.call.args.push_back(number);
    append(std::move(activation), true, wanted.shape);
  }

  static Node call(std::string op, std::string overload, const std::vector<Access>& tensors) {
    Node node;
    node.op = Op::extern_;
    node.origin = op;
    node.call.op = std::move(op);
    node.call.overload = std::move(overload);
    node.call.returns = {0};
    for (const Access& access : tensors) {
      node.call.args.push_back(TensorArg{static_cast<int>(node.operands.size())});
      node.operands.emplace_back(access);
    }
    return node;
  }

  static void add_bias(Node& node, const ConvolutionCall& conv) {
    if (!conv.bias) return node.call.args.push_back(NoneArg{});
    node.call.args.push_back(TensorArg{static_cast<int>(node.operands.size())});
    node.operands.emplace_back(*conv.bias);
  }

  static Geometry geometry_of(const at::Tensor& tensor) { return {0, tensor.sizes().vec(), tensor.strides().vec()}; }

  Freezing& freezing_;
  Graph& graph_;
};

}  // namespace

void choose_convolutions(Freezing& freezing) { Chooser(freezing).run(); }

}  // namespace braze
