// Large reductions become two and still give what one would.
#include <catch2/catch.hpp>
#include <cmath>

#include "backends/reference/interpret_graph.h"
#include "backends/reference/run_plan.h"
#include "graph/parse.h"
#include "graph/print.h"
#include "graph/verify.h"
#include "ops/evaluate.h"
#include "schedule/plan_text.h"
#include "schedule/split_reductions.h"

using namespace braze;

namespace {

Graph reduction(Op op, DType dtype, const Geometry& geometry, const std::vector<int>& dims) {
  Graph graph;
  const ValueId input = graph.add_input(dtype, geometry.extent());
  Node node;
  node.op = op;
  node.operands = {Access{input, geometry}};
  node.reduce_dims = dims;
  std::vector<int64_t> sizes = geometry.sizes;
  for (int d : dims) sizes[d] = 1;
  graph.outputs = {graph.append(std::move(node), dtype, Geometry::contiguous(sizes))};
  return graph;
}

/// How many steps the reduction takes; checks on the way that the plan gives the graph's numbers.
size_t steps_of(Op op, DType dtype, const Geometry& geometry, const std::vector<int>& dims) {
  const Graph graph = reduction(op, dtype, geometry, dims);
  std::vector<Buffer> inputs(1, Buffer(graph.value(0).length * info(dtype).bytes));
  for (int64_t i = 0; i < graph.value(0).length; ++i) {
    const int64_t number = (i * 7919) % 101 - 50;
    store_element(inputs[0].data() + i * info(dtype).bytes, is_floating(dtype)
                                                                ? Scalar::of_double(dtype, static_cast<double>(number))
                                                                : Scalar::of_int(dtype, number));
  }
  const GraphRun expected = interpret_graph(graph, inputs);
  const Plan plan = schedule(graph, {});
  INFO(print(graph) << print(plan));
  CHECK(run_plan(plan, inputs)[0] == expected.outputs[0]);
  return plan.steps.size();
}

Geometry dense(std::vector<int64_t> sizes) { return Geometry::contiguous(std::move(sizes)); }

}  // namespace

TEST_CASE("few results of many elements take two steps") {
  CHECK(steps_of(Op::sum_, DType::f32, dense({1 << 17}), {0}) == 2);
  CHECK(steps_of(Op::max_, DType::f32, dense({300, 500}), {0, 1}) == 2);
  CHECK(steps_of(Op::sum_, DType::i64, dense({2, 3, 40, 500}), {1, 2, 3}) == 2);
  CHECK(steps_of(Op::sum_, DType::f32, dense({4096, 24}), {0}) == 2);
  CHECK(steps_of(Op::min_, DType::f32, dense({64, 8, 256}), {0, 2}) == 2);
  CHECK(steps_of(Op::sum_, DType::f32, {5, {300, 500}, {1, 300}}, {0, 1}) == 2);
}

TEST_CASE("reductions that are small or have many results take one step") {
  CHECK(steps_of(Op::sum_, DType::f32, dense({1000}), {0}) == 1);
  CHECK(steps_of(Op::sum_, DType::f32, dense({256, 300}), {1}) == 1);
  CHECK(steps_of(Op::sum_, DType::f32, dense({40, 2048}), {0}) == 1);
}

TEST_CASE("positions are counted in one step") {
  const Graph graph = [] {
    Graph g = reduction(Op::argmax_, DType::f32, dense({1 << 17}), {0});
    g.values[1].dtype = DType::i64;
    return g;
  }();
  CHECK(schedule(graph, {}).steps.size() == 1);
}

TEST_CASE("a split keeps the graph's laws") {
  Graph graph = reduction(Op::sum_, DType::f32, dense({64, 8, 256}), {0, 2});
  REQUIRE(split_reductions(graph));
  verify(graph);
  CHECK(graph.nodes.size() == 2);
  CHECK_FALSE(split_reductions(graph));
}
