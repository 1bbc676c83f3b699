// The input's window moves over memory with zeros round it, so that every place of the result is computed alike. What
// makes the input mostly writes it there.
#include "passes/own_convolution.h"

#include <utility>

#include "graph/geometry.h"
#include "passes/convolution_forms.h"

namespace braze {
namespace {

constexpr int64_t kPanel = 64;       // columns that a product's kernel makes together (schedule/product_form.h)
constexpr int64_t kFewChannels = 8;  // up to which an image stays as it lies

bool is_by_channel(const ConvolutionCall& conv) { return conv.groups > 1; }

/// Whether a kernel reads images channel by channel.
bool stays_planar(const Geometry& input) { return input.sizes[1] <= kFewChannels && input.strides[3] == 1; }

class Writing {
 public:
  Writing(Graph& graph, const FusedConvolution& fused, const Access& weight, ValueId result)
      : graph_(graph), fused_(fused), conv_(fused.conv), weight_(weight), result_(result) {}

  void run() {
    const Geometry wanted = graph_.value(result_).shape;
    Access now = sums(wanted);
    if (conv_.bias) now = with_bias(now);
    append_epilogue(graph_, fused_, now, result_);
  }

 private:
  /// Whether nothing follows the sums.
  bool is_bare() const { return !fused_.residual && fused_.activation == "none"; }

  ValueId value_of(const Geometry& shape, bool is_last) {
    if (!is_last) return graph_.add_value(DType::f32, shape);
    graph_.values[result_].shape = shape;
    return result_;
  }

  Node node_of(Op op, std::vector<Operand> operands) const {
    Node node;
    node.op = op;
    node.operands = std::move(operands);
    node.origin = "aten::convolution";
    return node;
  }

  Access with_bias(const Access& sums) {
    const Geometry& bias = conv_.bias->geometry;
    const Geometry seen{bias.offset, sums.geometry.sizes, {0, bias.strides[0], 0, 0}};
    Node add = node_of(Op::add_, {sums, Access{conv_.bias->value, seen}});
    return append(std::move(add), value_of(sums.geometry, is_bare()), sums.geometry);
  }

  Access append(Node node, ValueId id, const Geometry& seen) {
    node.results = {id};
    graph_.append(std::move(node));
    return {id, seen};
  }

  /// The sum of products at each place of the result, over [N, H, W, panels, channels of a panel, window].
  Access sums(const Geometry& wanted) {
    const Access input = with_zeros_round(read_before_copy(graph_, conv_.input));
    const auto &x = input.geometry.strides, &r = wanted.strides;
    Geometry weight = weight_.geometry;
    if (weight.sizes.size() == 4) weight = split_dim(weight, 0, weight.sizes[0]);
    const auto &window = weight.sizes, &w = weight.strides;
    std::vector<int64_t> sizes = {wanted.sizes[0], wanted.sizes[2], wanted.sizes[3], window[0], window[1]};
    std::vector<int64_t> strides = {r[0], r[2], r[3], r[1] * window[1], r[1]};
    std::vector<int64_t> left = {x[0], x[2] * conv_.stride[0], x[3] * conv_.stride[1], 0, 0};
    std::vector<int64_t> right = {0, 0, 0, w[0], w[1]};
    Node dot = node_of(Op::dot_, {});
    auto add_reduced = [&](int64_t size, int64_t of_left, int64_t of_right) {
      dot.reduce_dims.push_back(static_cast<int>(sizes.size()));
      sizes.push_back(size), strides.push_back(1);
      left.push_back(of_left), right.push_back(of_right);
    };
    add_reduced(window[3], x[2] * conv_.dilation[0], w[3]);
    add_reduced(window[4], x[3] * conv_.dilation[1], w[4]);
    if (is_by_channel(conv_))
      left[4] = x[1];
    else
      add_reduced(window[2], x[1], w[2]);
    as_one_row(sizes, strides, left);
    dot.operands = {Access{input.value, {input.geometry.offset, sizes, left}},
                    Access{weight_.value, {weight.offset, sizes, right}}};
    for (int d : dot.reduce_dims) sizes[d] = 1;
    const bool is_last = !conv_.bias && is_bare();
    return append(std::move(dot), value_of({0, sizes, strides}, is_last), wanted);
  }

  /// Places of all lines are one row where input and result move from line to line as from place to place.
  static void as_one_row(std::vector<int64_t>& sizes, std::vector<int64_t>& result, std::vector<int64_t>& left) {
    for (int outer : {1, 0}) {
      auto joins = [&](const std::vector<int64_t>& strides) {
        return sizes[outer] == 1 || strides[outer] == strides[2] * sizes[2];
      };
      if (!joins(result) || !joins(left)) return;
      sizes[2] *= std::exchange(sizes[outer], 1);
    }
  }

  Access with_zeros_round(const Access& input) {
    const int64_t high = conv_.padding[0], wide = conv_.padding[1];
    if (high == 0 && wide == 0) return input;
    const Geometry shape = padded(input.geometry, conv_.padding);
    const std::vector<int64_t>& sizes = shape.sizes;
    Geometry lines = narrowed(shape, 2, high, input.geometry.sizes[2]);
    const Geometry inside = narrowed(lines, 3, wide, input.geometry.sizes[3]);
    ValueId whole = graph_.append(node_of(Op::empty_, {}), DType::f32, shape);
    whole = update(whole, inside, input);
    const Operand zero = Scalar::of_double(DType::f32, 0);
    for (int64_t start : {int64_t{0}, sizes[2] - high})
      if (high > 0) whole = update(whole, narrowed(shape, 2, start, high), zero);
    for (int64_t start : {int64_t{0}, sizes[3] - wide})
      if (wide > 0) whole = update(whole, narrowed(lines, 3, start, wide), zero);
    return {whole, shape};
  }

  ValueId update(ValueId whole, const Geometry& region, const Operand& written) {
    Node node = node_of(Op::update_, {graph_.whole(whole), written});
    node.region = region;
    return graph_.append(std::move(node), DType::f32, graph_.value(whole).shape);
  }

  Graph& graph_;
  const FusedConvolution& fused_;
  const ConvolutionCall& conv_;
  const Access& weight_;
  const ValueId result_;
};

}  // namespace

bool may_be_own(const Graph& graph, const FusedConvolution& fused) {
  const ConvolutionCall& conv = fused.conv;
  const int64_t channels = conv.input.geometry.sizes[1], made = graph.value(conv.result).shape.sizes[1];
  const bool each_channel = conv.groups == channels && conv.groups == made && conv.weight.geometry.sizes[1] == 1;
  const bool pads = conv.padding[0] >= 0 && conv.padding[1] >= 0;
  return graph.value(conv.result).dtype == DType::f32 && pads && (conv.groups == 1 || each_channel);
}

Access read_before_copy(const Graph& graph, const Access& input) {
  const Value& value = graph.value(input.value);
  if (value.producer < 0 || input.geometry != value.shape) return input;
  const Node& node = graph.nodes[value.producer];
  auto* from = node.op == Op::cast_ ? std::get_if<Access>(&node.operands[0]) : nullptr;
  return from && graph.value(from->value).dtype == value.dtype ? *from : input;
}

Geometry padded(const Geometry& input, const std::vector<int64_t>& padding) {
  std::vector<int64_t> sizes = input.sizes;
  sizes[2] += 2 * padding[0];
  sizes[3] += 2 * padding[1];
  return stays_planar(input) ? Geometry::contiguous(sizes) : with_channels_last(sizes);
}

WeightLayout weight_layout(const FusedConvolution& fused, const Geometry& input) {
  const int64_t made = fused.conv.weight.geometry.sizes[0];
  if (!is_by_channel(fused.conv) && stays_planar(input)) return {.panel = made, .order = {0, 2, 3, 4, 1}};
  const bool in_panels = !is_by_channel(fused.conv) && made % kPanel == 0;
  return {.panel = in_panels ? kPanel : made, .order = {0, 3, 4, 2, 1}};
}

void append_own(Graph& graph, const FusedConvolution& fused, const Access& weight, ValueId result) {
  Writing(graph, fused, weight, result).run();
}

}  // namespace braze
