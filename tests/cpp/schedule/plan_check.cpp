#include "schedule/plan_check.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "backends/reference/interpret_graph.h"
#include "graph/print.h"
#include "graph/verify.h"
#include "ops/evaluate.h"
#include "schedule/parametric_plan.h"
#include "schedule/plan_text.h"

namespace braze {
namespace {

/// Calls `visit` with the address of each element of a window, in row-major order.
template <typename Visit>
void each_address(const Geometry& g, Visit visit) {
  for (int64_t i = 0; i < g.numel(); ++i) {
    int64_t rest = i, address = g.offset;
    for (size_t d = g.sizes.size(); d-- > 0; rest /= g.sizes[d]) address += rest % g.sizes[d] * g.strides[d];
    visit(i, address);
  }
}

struct Tensor {
  std::byte* memory;
  Geometry geometry;
};

/// What the two library operators of random programs do: the first operand's elements, twice, plus the sum of the
/// second's.
void run_call(const ExternCall& call, const Tensor& first, const Tensor& second, const Tensor& result) {
  double sum = 0;
  auto load = [](const std::byte* memory, int64_t at) { return load_element(memory + at * 4, DType::f32).as_double(); };
  each_address(second.geometry, [&](int64_t, int64_t at) { sum += load(second.memory, at); });
  const bool writes = call.op == "test::grow_";
  std::vector<double> made(first.geometry.numel());
  each_address(first.geometry,
               [&](int64_t i, int64_t at) { made[i] = 2 * load(first.memory, at) + std::fmod(sum, 8.0); });
  const Tensor& target = writes ? first : result;
  each_address(target.geometry, [&](int64_t i, int64_t at) {
    store_element(target.memory + at * 4, convert(Scalar::of_double(DType::f64, made[i]), DType::f32));
  });
}

void run_in_graph(const Graph& graph, const Node& node, std::vector<Buffer>& buffers) {
  const Access& first = std::get<Access>(node.operands[0]);
  const Access& second = std::get<Access>(node.operands[1]);
  const ValueId result = node.results[0];
  const bool writes = !node.call.mutates.empty();
  // The second operand may be the old version of what is written: work on what it was.
  std::vector<std::byte> old = buffers[second.value];
  run_call(node.call, {buffers[writes ? result : first.value].data(), first.geometry}, {old.data(), second.geometry},
           {buffers[result].data(), graph.value(result).shape});
}

void run_in_plan(const ExternStep& step, const std::vector<std::byte*>& operands,
                 const std::vector<std::byte*>& results) {
  const Tensor result = results.empty() ? Tensor{} : Tensor{results[0], step.results[0].geometry};
  run_call(step.call, {operands[0], step.operands[0].geometry}, {operands[1], step.operands[1].geometry}, result);
}

/// A plan that does not vary is its own instance: laid out the same, and nothing in it reaches outside its buffer.
void check_instance_is(const Plan& plan) {
  const auto parametric = unify(plan, plan, {}, {});
  REQUIRE(parametric);
  const auto instance = instantiate(*parametric, {});
  REQUIRE(instance);
  REQUIRE(instance->plan.arena == plan.arena);
  Plan again = instance->plan;
  again.kernels = plan.kernels;  // they may be in another order
  for (size_t s = 0; s < plan.steps.size(); ++s)
    if (auto* step = std::get_if<KernelStep>(&again.steps[s])) {
      const int kernel = std::get<KernelStep>(plan.steps[s]).kernel;
      REQUIRE(instance->plan.kernels[step->kernel] == plan.kernels[kernel]);
      step->kernel = kernel;
    }
  REQUIRE(print(again) == print(plan));
}

bool same(const std::vector<std::byte>& a, const std::vector<std::byte>& b, DType dtype, double tolerance) {
  if (a == b) return true;
  if (a.size() != b.size() || !is_floating(dtype)) return false;
  for (size_t i = 0; i < a.size(); i += info(dtype).bytes) {
    const double x = load_element(&a[i], dtype).as_double(), y = load_element(&b[i], dtype).as_double();
    if (std::isnan(x) != std::isnan(y)) return false;
    if (!std::isnan(x) && x != y && !(std::fabs(x - y) <= tolerance * std::max(1.0, std::fabs(x)))) return false;
  }
  return true;
}

}  // namespace

void check_plan(const RandomProgram& program, bool fills, double tolerance, const KernelFunction& run_kernel) {
  const Graph& graph = program.graph;
  INFO(print(graph));
  verify(graph);
  const GraphRun expected = interpret_graph(graph, program.inputs, run_in_graph);
  const Plan plan = schedule(graph, [&](const ExternCall& call) { return fills && call.op == "test::blend"; });
  INFO(print(plan));
  check_instance_is(plan);
  std::vector<Buffer> inputs = program.inputs;
  const std::vector<Buffer> outputs = run_plan(plan, inputs, run_in_plan, run_kernel);
  for (size_t i = 0; i < outputs.size(); ++i) {
    INFO("output " << i);
    REQUIRE(same(outputs[i], expected.outputs[i], graph.value(graph.outputs[i]).dtype, tolerance));
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    INFO("input " << i);
    Buffer left = program.inputs[i];
    for (size_t m = 0; m < graph.mutations.size(); ++m)
      if (graph.mutations[m].input == static_cast<int>(i)) left = expected.mutations[m];
    REQUIRE(same(inputs[i], left, graph.value(graph.inputs[i]).dtype, tolerance));
  }
}

}  // namespace braze
