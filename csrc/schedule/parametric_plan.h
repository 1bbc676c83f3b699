// One plan for many sizes. It is found from the static plans of two recordings that differ in sizes only: where the
// plans have the same structure, each integer that differs is an expression of the symbols (size_expr.h), and the
// kernels get size parameters in its place. A third recording's plan proves it, and settles which expression is meant
// where several fit. An instance is the plan at given sizes, with its arena laid out anew: it is launched as a static
// plan is.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "schedule/plan.h"
#include "schedule/size_expr.h"

namespace braze {

struct ParametricPlan {
  Plan plan;                           // that of the first recording, but with parametric kernels
  std::vector<SizeCandidates> varies;  // the distinct integers that differ between recordings
  /// The integers of `plan` outside its kernels (in the order of plan_integers.h) that vary.
  struct Place {
    int integer = 0;
    int varies = 0;
  };
  std::vector<Place> places;
  /// By step: what each size parameter of its kernel is, by position in `varies`. Steps that run static kernels, and
  /// library calls, have none.
  std::vector<std::vector<int>> step_sizes;
};

/// A parametric plan at given sizes. All but the kernels of `plan` is as schedule() makes it.
struct PlanInstance {
  Plan plan;
  std::vector<std::vector<int64_t>> step_sizes;  // by step: the size parameters of its kernel; empty: a static kernel
};

/// Nothing when the plans differ in more than integers, or an integer is no expression of the symbols.
std::optional<ParametricPlan> unify(const Plan& a, const Plan& b, std::span<const int64_t> symbols_a,
                                    std::span<const int64_t> symbols_b);

/// Whether `plan` at these symbols is `c`, integer for integer, but for the layout of the arena. Drops the expressions
/// that say otherwise, unless the answer is no.
bool agrees(ParametricPlan& plan, const Plan& c, std::span<const int64_t> symbols_c);

/// Nothing when the plan does not hold at these sizes: an expression is not an integer, a dim that was 2 or more is
/// less, or a kernel would reach outside its buffers.
std::optional<PlanInstance> instantiate(const ParametricPlan& plan, std::span<const int64_t> symbols);

}  // namespace braze
