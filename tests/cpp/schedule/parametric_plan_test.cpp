// Parametric plans: found from two sizes, proved by a third, right at others, and refused where they do not hold.
#include "schedule/parametric_plan.h"

#include <catch2/catch.hpp>

#include "schedule/parametric_check.h"
#include "schedule/plan_text.h"

using namespace braze;

namespace {

using Symbols = std::vector<int64_t>;

const SizedGraph& named(const std::string& name) {
  for (const SizedGraph& program : sized_graphs())
    if (program.name == name) return program;
  throw std::logic_error("no program " + name);
}

}  // namespace

TEST_CASE("instances of parametric plans do what static plans do") {
  for (const SizedGraph& program : sized_graphs()) {
    INFO(program.name);
    check_instances(program);
  }
}

TEST_CASE("a plan that does not vary is itself at every size") {
  const Plan plan = plan_at(named("softmax"), {12});
  auto same = unify(plan, plan, Symbols{12}, Symbols{12});
  REQUIRE(same);
  CHECK(same->varies.empty());
  auto instance = instantiate(*same, Symbols{12});
  REQUIRE(instance);
  CHECK(print(instance->plan) == print(plan));
}

TEST_CASE("a division that one size writes as a product is still found") {
  SizedGraph program = named("mean along what varies");
  program.recorded = {{16}, {20}, {32}};
  check_instances(program);
  program.recorded = {{16}, {32}, {21}};
  check_instances(program);
}

TEST_CASE("steps of one program share a kernel with sizes of their own") {
  const SizedGraph two{"two sums",
                       [](const Symbols& symbols) {
                         const std::string s = std::to_string(symbols[0]), t = std::to_string(symbols[1]);
                         return "graph\ninputs %0: f32[" + s + ":1], %1: f32[" + t + ":1]\n%2: f32[" + s +
                                ":1] = exp %0[" + s + ":1]\n%3: f32[" + t + ":1] = exp %1[" + t +
                                ":1]\noutputs %2, %3\n";
                       },
                       {{12, 7}, {20, 9}, {45, 30}},
                       {{5, 6}}};
  const ParametricPlan plan = parametric_plan_of(two);
  CHECK(plan.plan.kernels.size() == 1);
  auto instance = instantiate(plan, Symbols{5, 6});
  REQUIRE(instance);
  CHECK(instance->step_sizes == std::vector<Symbols>{{5}, {6}});
  check_instances(two);
}

TEST_CASE("plans of different structure are not unified") {
  CHECK(!unify(plan_at(named("softmax"), {12}), plan_at(named("embedding"), {20}), Symbols{12}, Symbols{20}));
  const SizedGraph& cat = named("parts side by side");
  CHECK(!unify(plan_at(cat, {12, 1}), plan_at(cat, {20, 2}), Symbols{12, 1}, Symbols{20, 2}));
}

TEST_CASE("a third plan that says otherwise is told") {
  const SizedGraph& program = named("softmax over rows of rows");
  auto plan = unify(plan_at(program, {12}), plan_at(program, {20}), Symbols{12}, Symbols{20});
  REQUIRE(plan);
  CHECK(!agrees(*plan, plan_at(program, {45}), Symbols{46}));
  CHECK(agrees(*plan, plan_at(program, {45}), Symbols{45}));
  CHECK(!agrees(*plan, plan_at(named("softmax"), {45}), Symbols{45}));
}

TEST_CASE("a third plan chooses among expressions") {
  // 64 at 8 and 144 at 12 is s0*s0, or 20*s0 - 96.
  auto flat = [](int64_t n) {
    const std::string length = std::to_string(n);
    return SizedGraph{"flat",
                      [=](const Symbols&) {
                        return "graph\ninputs %0: f32[" + length + ":1]\n%1: f32[" + length + ":1] = exp %0[" + length +
                               ":1]\noutputs %1\n";
                      },
                      {},
                      {}};
  };
  auto plan = unify(plan_at(flat(64), {8}), plan_at(flat(144), {12}), Symbols{8}, Symbols{12});
  REQUIRE(plan);
  auto instance = instantiate(*plan, Symbols{20});
  REQUIRE(instance);
  CHECK(instance->plan.outputs[0].length == 400);
  CHECK(agrees(*plan, plan_at(flat(304), {20}), Symbols{20}));
  instance = instantiate(*plan, Symbols{10});
  REQUIRE(instance);
  CHECK(instance->plan.outputs[0].length == 104);
}

TEST_CASE("sizes at which a plan does not hold have no instance") {
  const ParametricPlan softmax = parametric_plan_of(named("softmax"));
  CHECK(instantiate(softmax, Symbols{2}));
  CHECK(!instantiate(softmax, Symbols{1}));
  CHECK(!instantiate(softmax, Symbols{0}));
  CHECK(!instantiate(softmax, Symbols{int64_t{1} << 60}));
  SizedGraph half = named("softmax");
  const auto text = half.text;
  half.text = [text](const Symbols& symbols) { return text({symbols[0] / 2}); };
  half.recorded = {{24}, {40}, {90}};
  const ParametricPlan plan = parametric_plan_of(half);
  CHECK(instantiate(plan, Symbols{8}));
  CHECK(!instantiate(plan, Symbols{9}));
}

TEST_CASE("a kernel that would reach outside its buffer is refused") {
  ParametricPlan plan = parametric_plan_of(named("softmax"));
  for (SizeCandidates& varies : plan.varies) {
    if (!(varies.best() == SizeExpr({{4, {-1, -1, 0}}}, 1))) continue;  // the length of the buffers
    varies = SizeCandidates({SizeExpr({{3, {-1, -1, 0}}}, 1)});
  }
  CHECK(!instantiate(plan, Symbols{12}));
}
