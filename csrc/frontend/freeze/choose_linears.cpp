// A weight of a linear layer can be read as it is, kept the other way round, or packed by MKL or oneDNN. Which is
// fastest depends on the shape, the dtype and the machine in no simple way, so each shape is run once in every form and
// the answer kept. A kernel of ours reads the weight as it is, and where it beats every form nothing is packed. oneDNN
// can apply an activation in the same call; that counts where nothing but library calls reads its result, because
// elsewhere a kernel of ours does it on its way.
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/silu.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "frontend/call/product_choice.h"
#include "frontend/capture/convert.h"
#include "frontend/freeze/freezing.h"
#include "frontend/freeze/linear_call.h"
#include "frontend/library/library_call.h"
#include "frontend/library/remembered.h"
#include "frontend/library/trial_run.h"
#include "passes/decompose/aten.h"
#include "passes/readers.h"

namespace braze {
namespace {

enum class Form { AsIs, Transposed, Mkl, OneDnn, OneDnnWithActivation };

constexpr double kWorthwhile = 0.96;  // a form that takes more room has to be this much faster

/// An activation that oneDNN can apply to the product.
struct Activation {
  NodeId node = -1;
  std::string attribute = "none", algorithm;
};

at::Tensor transposed(const at::Tensor& weight) { return weight.clone(at::MemoryFormat::Contiguous); }
at::Tensor outwards(const at::Tensor& weight) { return weight.t().contiguous(); }

at::Tensor pack(const at::Tensor& weight, Form form, int64_t rows) {
  std::vector<c10::IValue> stack = {outwards(weight), rows};
  call_library(form == Form::Mkl ? "mkl::_mkl_reorder_linear_weight" : "mkldnn::_reorder_linear_weight", stack);
  return stack[0].toTensor();
}

/// One layer, with tensors to try it on.
class Layer {
 public:
  Layer(const LinearCall& call, const Activation& activation, at::Tensor weight)
      : call_(call), activation_(activation), weight_(std::move(weight)) {
    const auto options = weight_.options();
    x_ = at::ones({call.rows, call.inner}, options);
    if (call.bias) bias_ = at::ones({call.columns}, options);
    out_ = at::empty({call.rows, call.columns}, options);
  }

  /// The seconds one run takes in this form.
  double time(Form form) const {
    switch (form) {
      case Form::AsIs: return seconds_of([&] { multiply(weight_); });
      case Form::Transposed: return seconds_of([this, weight = transposed(weight_)] { multiply(weight); });
      case Form::Mkl:
        return seconds_if_it_runs([&] {
          return
              [this, packed = pack(weight_, form, call_.rows), plain = outwards(weight_)] { run_mkl(packed, plain); };
        });
      case Form::OneDnn:
      case Form::OneDnnWithActivation: {
        const bool acts = form == Form::OneDnnWithActivation;
        const std::string attribute = acts ? activation_.attribute : "none",
                          algorithm = acts ? activation_.algorithm : "";
        return seconds_if_it_runs([&] {
          return [&, packed = pack(weight_, form, call_.rows)] { run_onednn(packed, attribute, algorithm); };
        });
      }
    }
    return 0;
  }

  double time_activation() const {
    return seconds_of([this] {
      if (activation_.attribute == "relu") at::relu(out_);
      if (activation_.attribute == "gelu") at::gelu(out_, activation_.algorithm);
      if (activation_.attribute == "swish") at::silu(out_);
    });
  }

 private:
  void multiply(const at::Tensor& weight) const {
    at::Tensor out = out_;
    if (call_.bias)
      at::addmm_out(out, bias_, x_, weight);
    else
      at::mm_out(out, x_, weight);
  }

  void run_mkl(const at::Tensor& packed, const at::Tensor& plain) const {
    std::vector<c10::IValue> stack = {x_, packed, plain, bias(), call_.rows};
    call_library("mkl::_mkl_linear", stack);
  }

  void run_onednn(const at::Tensor& packed, const std::string& attribute, const std::string& algorithm) const {
    c10::impl::GenericList scalars(c10::OptionalType::create(c10::NumberType::get()));
    std::vector<c10::IValue> stack = {x_, packed, bias(), attribute, scalars, algorithm};
    call_library("mkldnn::_linear_pointwise", stack);
  }

  c10::IValue bias() const { return call_.bias ? c10::IValue(bias_) : c10::IValue(); }

  const LinearCall& call_;
  const Activation& activation_;
  at::Tensor weight_, x_, bias_, out_;
};

std::vector<Form> forms_of(const LinearCall& call, const Activation& activation) {
  std::vector<Form> forms = {Form::AsIs};
  const Geometry &w = call.weight.geometry, &x = call.x.geometry;
  if (w.strides[1] != 1 || w.strides[0] != call.columns) forms.push_back(Form::Transposed);
  const bool rows_in_order = x.strides[1] == 1 && x.strides[0] == call.inner;
  if (!rows_in_order) return forms;
  if (call.dtype == DType::f32 && library_has("mkl::_mkl_linear")) forms.push_back(Form::Mkl);
  if (library_has("mkldnn::_linear_pointwise")) {
    forms.push_back(Form::OneDnn);
    if (activation.node >= 0) forms.push_back(Form::OneDnnWithActivation);
  }
  return forms;
}

Form fastest(const Layer& layer, const LinearCall& call, const Activation& activation,
             const std::optional<double>& seconds_of_own) {
  Form best = Form::AsIs;
  double least = 1e9;
  const double apart = activation.node >= 0 ? layer.time_activation() : 0;
  for (Form form : forms_of(call, activation)) {
    const double seconds = layer.time(form) + (form == Form::OneDnnWithActivation ? 0 : apart);
    if (seconds >= least * kWorthwhile) continue;
    best = form;
    least = seconds;
  }
  return seconds_of_own && *seconds_of_own + apart <= least ? Form::AsIs : best;
}

/// The same for every layer of this shape.
Form remembered(const LinearCall& call, const ProductCall& product, const Activation& activation,
                const at::Tensor& weight, const Options& options) {
  std::string question = "linear " + circumstances(options) + " products " + options.products + "; " +
                         std::string(info(call.dtype).name) + (call.bias ? " bias " : " ") + activation.attribute +
                         activation.algorithm;
  const Geometry &w = call.weight.geometry, &x = call.x.geometry;
  for (int64_t n : {call.rows, call.inner, call.columns, w.strides[0], w.strides[1], x.strides[0], x.strides[1]})
    question += " " + std::to_string(n);
  const size_t form =
      remembered_choice(question, {"as it is", "transposed", "mkl", "onednn", "onednn with activation"}, [&] {
        const Layer layer(call, activation, weight);
        return static_cast<size_t>(fastest(layer, call, activation, seconds_of_own(product, options)));
      });
  return static_cast<Form>(form);
}

bool is_library_call(const Node& node) {
  constexpr size_t kNamespace = std::string_view("aten::").size();
  return node.op == Op::extern_ && !find_lowering(std::string_view(node.call.op).substr(kNamespace));
}

bool is_contiguous(const Geometry& g) { return g == Geometry::contiguous(g.sizes); }

/// What reads the whole product, as [M, N] or as [batch, rows, N], and makes as much in the same order.
Activation activation_after(const Graph& graph, const Readers& readers, ValueId product) {
  Activation found;
  if (readers.is_visible(product) || readers.nodes[product].size() != 1) return found;
  const NodeId n = readers.nodes[product][0];
  const Node& node = graph.nodes[n];
  if (node.op != Op::extern_ || node.operands.size() != 1) return found;
  const Geometry& read = std::get<Access>(node.operands[0]).geometry;
  if (!is_contiguous(read) || read.numel() != graph.value(product).length) return found;
  const std::string& op = node.call.op;
  if (node.results.size() != 1 || !node.call.mutates.empty() || readers.is_visible(node.results[0])) return found;
  if (graph.value(node.results[0]).shape != read) return found;
  for (NodeId reader : readers.nodes[node.results[0]])
    if (!is_library_call(graph.nodes[reader])) return found;
  if (op == "aten::relu" || op == "aten::silu") {
    found.attribute = op == "aten::relu" ? "relu" : "swish";
  } else if (op == "aten::gelu") {
    found.attribute = "gelu";
    found.algorithm = std::get<std::string>(node.call.args[1]);
  } else {
    return found;
  }
  found.node = n;
  return found;
}

/// Rewrites calls; an activation that its product's call applies is dead afterwards.
class Chooser {
 public:
  explicit Chooser(Freezing& freezing) : freezing_(freezing), graph_(freezing.program.graph), readers_(graph_) {}

  void run() {
    for (size_t n = 0; n < graph_.nodes.size(); ++n) {
      auto call = read_linear(graph_, graph_.nodes[n]);
      if (!call || !freezing_.is_at_hand(call->weight)) continue;
      if (call->dtype != DType::f32 && call->dtype != DType::bf16) continue;
      const Activation activation = activation_after(graph_, readers_, graph_.nodes[n].results[0]);
      const auto product = read_product(graph_, graph_.nodes[n]);
      if (!product || freezing_.options.products == "own") continue;
      const Form form = remembered(*call, *product, activation, peek(call->weight), freezing_.options);
      if (form != Form::AsIs) rewrite(static_cast<NodeId>(n), *call, activation, form);
    }
    std::erase_if(graph_.nodes, [](const Node& node) { return node.op == Op::empty_ && node.results.empty(); });
    for (size_t n = 0; n < graph_.nodes.size(); ++n)
      for (ValueId id : graph_.nodes[n].results) graph_.values[id].producer = static_cast<NodeId>(n);
  }

 private:
  /// The weight for a trial, which makes the program depend on nothing yet.
  at::Tensor peek(const Access& weight) { return Freezing(freezing_).numbers(weight); }

  void rewrite(NodeId n, const LinearCall& call, const Activation& activation, Form form) {
    const at::Tensor weight = freezing_.numbers(call.weight);
    if (form == Form::Transposed) {
      const ValueId id = freezing_.add_constant(transposed(weight));
      std::get<Access>(graph_.nodes[n].operands[call.bias ? 2 : 1]) = {
          id, Geometry::contiguous({call.inner, call.columns})};
      ++freezing_.record.transposed;
      return;
    }
    Node node;
    node.op = Op::extern_;
    node.origin = graph_.nodes[n].origin;
    node.results = graph_.nodes[n].results;
    auto add = [&](const Access& access) {
      node.operands.emplace_back(access);
      return TensorArg{static_cast<int>(node.operands.size()) - 1};
    };
    auto& args = node.call.args;
    const int64_t bytes = call.inner * call.columns * info(call.dtype).bytes;
    args = {add(call.x), freezing_.add_packed(pack(weight, form, call.rows), bytes)};
    if (form == Form::Mkl) args.push_back(add(turned(call.weight)));
    args.push_back(call.bias ? ExternArg(add(*call.bias)) : ExternArg(NoneArg{}));
    if (form == Form::Mkl) {
      node.call.op = "mkl::_mkl_linear";
      args.push_back(call.rows);
    } else {
      const bool fused = form == Form::OneDnnWithActivation;
      node.call.op = "mkldnn::_linear_pointwise";
      args.push_back(fused ? activation.attribute : std::string("none"));
      args.push_back(std::vector<double>{});
      args.push_back(fused ? activation.algorithm : std::string());
      if (fused) {
        const ValueId product = node.results[0];
        node.results = graph_.nodes[activation.node].results;
        graph_.values[node.results[0]].shape = graph_.value(product).shape;
        graph_.nodes[activation.node] = Node{};
      }
    }
    node.call.returns = {0};
    graph_.nodes[n] = std::move(node);
    ++freezing_.record.linears;
  }

  static Access turned(Access weight) {
    std::swap(weight.geometry.sizes[0], weight.geometry.sizes[1]);
    std::swap(weight.geometry.strides[0], weight.geometry.strides[1]);
    return weight;
  }

  Freezing& freezing_;
  Graph& graph_;
  const Readers readers_;
};

}  // namespace

void choose_linears(Freezing& freezing) { Chooser(freezing).run(); }

}  // namespace braze
