// The two ways are two programs of one node. A weight that another call will have driven out of the cache is not found
// there in the trial either: it takes turns with copies of itself.
#include "frontend/call/product_choice.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <exception>
#include <set>

#include "compiler.h"
#include "frontend/call/program_trial.h"
#include "frontend/library/out_variant.h"
#include "frontend/library/remembered.h"
#include "frontend/library/trial_run.h"

namespace braze {
namespace {

constexpr int64_t kMostTerms = int64_t{1} << 32;    // of a product worth a trial; the library is best at larger ones
constexpr int64_t kCachedBytes = int64_t{8} << 20;  // the copies of a weight have together, or more
constexpr int64_t kMostCopies = 8;

/// The call, and where something follows it an addition, as one more output of the program.
void append_product(CapturedProgram& program, const ProductCall& product) {
  Graph& graph = program.graph;
  Node node;
  auto add = [&](Access access, bool batched) {
    Geometry& g = access.geometry;
    g.offset = 0;
    if (!batched && g.sizes.size() == 3) {
      g.sizes.erase(g.sizes.begin());
      g.strides.erase(g.strides.begin());
    }
    access.value = graph.add_input(product.dtype, g.extent());
    program.inputs.push_back({static_cast<int>(program.inputs.size()), 0});
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
  const Geometry shape = Geometry::contiguous(sizes);
  Access result{graph.append(std::move(node), product.dtype, shape), shape};
  if (product.is_followed) {
    Node sum;
    sum.op = Op::add_;
    sum.operands = {result, result};
    result.value = graph.append(std::move(sum), product.dtype, shape);
  }
  const int number = static_cast<int>(graph.outputs.size());
  graph.outputs.push_back(result.value);
  program.outputs.push_back({TensorOutput::Kind::Buffer, number, product.dtype, shape});
}

/// A program that is nothing but the call and what follows.
CapturedProgram program_of(const ProductCall& product) {
  CapturedProgram program;
  append_product(program, product);
  return program;
}

/// One way to compute the product.
ProgramTrial way(const CapturedProgram& program, const Options& options, const PrefersOwn& prefers,
                 int64_t most_copies = kMostCopies) {
  const Value& weight = program.graph.value(program.graph.inputs.back());
  const int64_t copies = std::clamp<int64_t>(kCachedBytes / (weight.length * info(weight.dtype).bytes), 1, most_copies);
  return {program, compile(program.graph, options, has_out_variant, prefers), copies};
}

std::vector<bool> always(const std::vector<ProductCall>& products) { return std::vector<bool>(products.size(), true); }

bool is_worth_a_trial(const ProductCall& product) {
  return product.batch() * product.rows() * product.columns() <= kMostTerms / product.depth();
}

bool own_is_faster(const ProductCall& product, const Options& options) {
  const pybind11::gil_scoped_acquire calls_need_it;
  const at::AutoDispatchBelowADInplaceOrView below_autograd;
  const CapturedProgram program = program_of(product);
  ProgramTrial own = way(program, options, always), library = way(program, options, nullptr);
  const auto [own_seconds, library_seconds] = seconds_in_turn([&] { own.run(); }, [&] { library.run(); });
  return own_seconds <= library_seconds;
}

std::string question(const ProductCall& product, const Options& options) {
  std::string text = "product of " + std::string(info(product.dtype).name) + " " + circumstances(options);
  for (const Access* access : {&product.left, &product.right}) text += in_words(access->geometry);
  if (product.added) text += in_words(product.added->geometry);
  if (product.is_followed) text += " followed";
  return text;
}

bool prefers_own(const ProductCall& product, const Options& options) {
  if (!is_worth_a_trial(product)) return false;
  return remembered_choice(question(product, options), {"library", "own"},
                           [&] { return own_is_faster(product, options); }) == 1;
}

/// Makes the code for trials that are about to come, on all cores; each of them finds its own in memory.
void compile_together(const std::vector<ProductCall>& products, const Options& options) try {
  CapturedProgram program;
  std::set<std::string> asked;
  for (const ProductCall& product : products) {
    if (!is_worth_a_trial(product)) continue;
    const auto [text, is_new] = asked.insert(question(product, options));
    if (is_new && !Remembered::instance().find(*text)) append_product(program, product);
  }
  if (program.graph.outputs.size() > 1) compile(program.graph, options, has_out_variant, always);
} catch (const std::exception&) {
  // The trial that meets it again is the one that fails.
}

std::vector<bool> choose(const std::vector<ProductCall>& products, const Options& options) {
  compile_together(products, options);
  std::vector<bool> answers;
  for (const ProductCall& product : products) answers.push_back(prefers_own(product, options));
  return answers;
}

}  // namespace

PrefersOwn product_choice(const Options& options) {
  if (options.products == "library") return nullptr;
  if (options.products == "own") return always;
  return [options](const std::vector<ProductCall>& products) { return choose(products, options); };
}

std::optional<double> seconds_of_own(const ProductCall& product, const Options& options) try {
  if (options.products == "library" || !is_worth_a_trial(product)) return std::nullopt;
  const pybind11::gil_scoped_acquire calls_need_it;
  const at::AutoDispatchBelowADInplaceOrView below_autograd;
  ProgramTrial own = way(program_of(product), options, always, 1);
  return seconds_of([&] { own.run(); });
} catch (const std::exception&) {
  return std::nullopt;
}

}  // namespace braze
