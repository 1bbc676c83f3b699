#include "schedule/parametric_check.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "graph_run.h"
#include "ops/evaluate.h"
#include "schedule/plan_text.h"

namespace braze {
namespace {

struct Matrix {
  std::byte* memory;
  const Geometry& g;

  float& at(int64_t i, int64_t j, int64_t k) const {
    const int64_t element = g.offset + i * g.strides[0] + j * g.strides[1] + k * g.strides[2];
    return reinterpret_cast<float*>(memory)[element];
  }
};

/// aten::bmm, the one library call of these programs.
void multiply(const ExternStep& step, const std::vector<std::byte*>& operands, const std::vector<std::byte*>& results) {
  REQUIRE(step.call.op == "aten::bmm");
  const Matrix a{operands[0], step.operands[0].geometry}, b{operands[1], step.operands[1].geometry};
  const Matrix c{results[0], step.results[0].geometry};
  for (int64_t i = 0; i < c.g.sizes[0]; ++i)
    for (int64_t j = 0; j < c.g.sizes[1]; ++j)
      for (int64_t k = 0; k < c.g.sizes[2]; ++k) {
        double sum = 0;
        for (int64_t n = 0; n < a.g.sizes[2]; ++n) sum += static_cast<double>(a.at(i, j, n)) * b.at(i, n, k);
        c.at(i, j, k) = static_cast<float>(sum);
      }
}

/// Equal but for the signs of NaN, or within a tolerance.
bool close(const Buffer& a, const Buffer& b, DType dtype, double tolerance) {
  if (a == b) return true;
  if (a.size() != b.size() || !is_floating(dtype)) return false;
  const std::vector<double> x = numbers_in(a, dtype), y = numbers_in(b, dtype);
  for (size_t i = 0; i < x.size(); ++i) {
    if (std::isnan(x[i]) && std::isnan(y[i])) continue;
    if (!(x[i] == y[i] || std::fabs(x[i] - y[i]) <= tolerance * std::max(1.0, std::fabs(x[i])))) return false;
  }
  return true;
}

void check_instance(const SizedGraph& program, const ParametricPlan& plan, const std::vector<int64_t>& symbols,
                    const KernelFunction& run_kernel) {
  const Graph graph = graph_at(program, symbols);
  const Plan expected = plan_at(program, symbols);
  const auto instance = instantiate(plan, symbols);
  INFO(print(expected));
  REQUIRE(instance);
  INFO(print(instance->plan));
  ParametricPlan copy = plan;
  const bool alike = agrees(copy, expected, symbols);
  if (alike) REQUIRE(instance->plan.arena_bytes == expected.arena_bytes);
  for (unsigned seed = 0; seed < 2; ++seed) {
    std::vector<Buffer> first = seeded_inputs(graph, seed), second = first;
    const std::vector<Buffer> wanted = run_plan(expected, first, multiply, run_kernel);
    const std::vector<Buffer> got = run_plan(*instance, second, multiply, run_kernel);
    REQUIRE(first == second);
    for (size_t i = 0; i < wanted.size(); ++i) {
      INFO("output " << i);
      REQUIRE(instance->plan.outputs[i].shape == expected.outputs[i].shape);
      REQUIRE(close(got[i], wanted[i], expected.outputs[i].dtype, alike ? 0 : 1e-5));
    }
  }
}

}  // namespace

Plan plan_at(const SizedGraph& program, const std::vector<int64_t>& symbols) {
  return schedule(graph_at(program, symbols), [](const ExternCall&) { return true; });
}

ParametricPlan parametric_plan_of(const SizedGraph& program) {
  const auto& [a, b, c] = std::tie(program.recorded[0], program.recorded[1], program.recorded[2]);
  const Plan first = plan_at(program, a), second = plan_at(program, b), third = plan_at(program, c);
  INFO(program.name << "\n" << print(first) << print(second) << print(third));
  auto plan = unify(first, second, a, b);
  REQUIRE(plan);
  INFO(print(plan->plan));
  REQUIRE(agrees(*plan, third, c));
  REQUIRE(agrees(*plan, first, a));
  REQUIRE(agrees(*plan, second, b));
  return *plan;
}

void check_instances(const SizedGraph& program, const KernelFunction& run_kernel) {
  const ParametricPlan plan = parametric_plan_of(program);
  for (const auto* list : {&program.recorded, &program.others})
    for (const std::vector<int64_t>& symbols : *list) {
      INFO(program.name << " at " << symbols[0] << (symbols.size() > 1 ? ", " + std::to_string(symbols[1]) : ""));
      check_instance(program, plan, symbols, run_kernel);
    }
}

}  // namespace braze
