// The two ways are two programs of one node. A weight that another call will have driven out of the cache is not found
// there in the trial either: it takes turns with copies of itself.
#include "frontend/call/product_choice.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/ops/ones.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <exception>

#include "compiler.h"
#include "frontend/call/compiled_call.h"
#include "frontend/capture/convert.h"
#include "frontend/library/out_variant.h"
#include "frontend/library/remembered.h"
#include "frontend/library/trial_run.h"
#include "support/error.h"

namespace braze {
namespace {

constexpr int64_t kMostTerms = int64_t{1} << 32;    // of a product worth a trial; the library is best at larger ones
constexpr int64_t kCachedBytes = int64_t{8} << 20;  // the copies of a weight have together, or more
constexpr int64_t kMostCopies = 8;
constexpr double kWorthFusion = 1.03;  // what follows is done on the way, so a little slower is still faster

/// A program that is nothing but the call.
Graph program_of(const ProductCall& product, std::vector<int64_t>& lengths) {
  Graph graph;
  Node node;
  auto add = [&](Access access, bool batched) {
    Geometry& g = access.geometry;
    g.offset = 0;
    if (!batched && g.sizes.size() == 3) {
      g.sizes.erase(g.sizes.begin());
      g.strides.erase(g.strides.begin());
    }
    access.value = graph.add_input(product.dtype, g.extent());
    lengths.push_back(g.extent());
    node.call.args.push_back(TensorArg{static_cast<int>(node.operands.size())});
    node.operands.emplace_back(std::move(access));
  };
  const bool batched = product.batch() > 1;
  if (product.added) add(*product.added, false);
  add(product.left, batched);
  add(product.right, batched);
  if (product.added) node.call.args.insert(node.call.args.end(), {int64_t{1}, int64_t{1}});
  node.op = Op::extern_;
  node.call.op = product.added ? "aten::addmm" : batched ? "aten::bmm" : "aten::mm";
  node.call.returns = {0};
  std::vector<int64_t> sizes = {product.rows(), product.columns()};
  if (batched) sizes.insert(sizes.begin(), product.batch());
  graph.outputs = {graph.append(std::move(node), product.dtype, Geometry::contiguous(sizes))};
  return graph;
}

CallBoundary boundary_of_trial(const Graph& graph) {
  CapturedProgram program;
  program.graph = graph;
  for (size_t i = 0; i < graph.inputs.size(); ++i) program.inputs.push_back({static_cast<int>(i), 0});
  const Value& result = graph.value(graph.outputs[0]);
  program.outputs = {{TensorOutput::Kind::Buffer, 0, result.dtype, result.shape}};
  return boundary_of(program);
}

/// One way to compute a product, with tensors to try it on.
class Way {
 public:
  Way(const Graph& graph, const std::vector<int64_t>& lengths, const Options& options, const PrefersOwn& prefers,
      int64_t most_copies = kMostCopies)
      : call_(compile(graph, options, has_out_variant, prefers), boundary_of_trial(graph)) {
    const int64_t bytes = lengths.back() * info(graph.value(graph.outputs[0]).dtype).bytes;
    const int64_t copies = std::clamp<int64_t>(kCachedBytes / bytes, 1, most_copies);
    const auto dtype = at::TensorOptions().dtype(scalar_type_of(graph.value(graph.outputs[0]).dtype));
    for (int64_t length : lengths) tensors_.push_back(at::ones({length}, dtype));
    for (int64_t i = 0; i < copies; ++i) weights_.push_back(tensors_.back().clone());
  }

  void run() {
    std::vector<at::TensorImpl*> inputs;
    for (const at::Tensor& tensor : tensors_) inputs.push_back(tensor.unsafeGetTensorImpl());
    inputs.back() = weights_[turn_++ % weights_.size()].unsafeGetTensorImpl();
    std::vector<at::Tensor> results;
    check_internal(call_.run(inputs.data(), inputs.size(), results), "a product could not be computed");
  }

 private:
  CompiledCall call_;
  std::vector<at::Tensor> tensors_, weights_;
  size_t turn_ = 0;
};

bool always(const ProductCall&) { return true; }

bool is_worth_a_trial(const ProductCall& product) {
  return product.batch() * product.rows() * product.columns() <= kMostTerms / product.depth();
}

/// A trial that fails, for want of memory say, is one the library wins.
bool own_is_faster(const ProductCall& product, const Options& options) try {
  const pybind11::gil_scoped_acquire calls_need_it;
  const at::AutoDispatchBelowADInplaceOrView below_autograd;
  std::vector<int64_t> lengths;
  const Graph graph = program_of(product, lengths);
  Way own(graph, lengths, options, always);
  Way library(graph, lengths, options, nullptr);
  const auto [own_seconds, library_seconds] = seconds_in_turn([&] { own.run(); }, [&] { library.run(); });
  return own_seconds <= library_seconds * kWorthFusion;
} catch (const std::exception&) {
  return false;
}

std::string question(const ProductCall& product, const Options& options) {
  std::string text = "product of " + std::string(info(product.dtype).name) + " " + circumstances(options);
  auto add = [&](const Access& access) {
    text += ";";
    for (int64_t n : access.geometry.sizes) text += " " + std::to_string(n);
    text += " by";
    for (int64_t n : access.geometry.strides) text += " " + std::to_string(n);
  };
  add(product.left);
  add(product.right);
  if (product.added) add(*product.added);
  return text;
}

bool prefers_own(const ProductCall& product, const Options& options) {
  if (!is_worth_a_trial(product)) return false;
  return remembered_choice(question(product, options), {"library", "own"},
                           [&] { return own_is_faster(product, options); }) == 1;
}

}  // namespace

PrefersOwn product_choice(const Options& options) {
  if (options.products == "library") return nullptr;
  if (options.products == "own") return always;
  return [options](const ProductCall& product) { return prefers_own(product, options); };
}

std::optional<double> seconds_of_own(const ProductCall& product, const Options& options) try {
  if (options.products == "library" || !is_worth_a_trial(product)) return std::nullopt;
  const pybind11::gil_scoped_acquire calls_need_it;
  const at::AutoDispatchBelowADInplaceOrView below_autograd;
  std::vector<int64_t> lengths;
  const Graph graph = program_of(product, lengths);
  Way own(graph, lengths, options, always, 1);
  return seconds_of([&] { own.run(); });
} catch (const std::exception&) {
  return std::nullopt;
}

}  // namespace braze
