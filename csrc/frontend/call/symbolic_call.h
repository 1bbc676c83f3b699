// A compiled program for many sizes: found from the plans of two recorded calls that differ in sizes, proved by a
// third. For each combination of sizes it makes an instance, a CompiledCall whose kernels all instances share. The few
// last used are kept.
//
// What the sizes decide beyond the plan (the way that Python took, how an operator rounds, the integers that Python
// returned) is known to `admit`, which is asked once for sizes that have no instance.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "compiler.h"
#include "frontend/call/call_boundary.h"
#include "frontend/call/compiled_call.h"
#include "frontend/call/varying_integers.h"
#include "frontend/guards/tensor_specs.h"

namespace braze {

/// A captured program with its launch list, before there is code for it.
struct PlannedProgram {
  Plan plan;
  CallBoundary boundary;
  std::vector<int64_t> recorded;   // the integers of the graph
  std::vector<int64_t> quotients;  // that sizes were divided to when it was planned
};

class SymbolicCall : public std::enable_shared_from_this<SymbolicCall> {
 public:
  using Values = std::vector<int64_t>;
  struct Answer {
    enum { Yes, No, NotNow } verdict = No;
    Values numbers;  // the integers of the result that vary, at these sizes
  };
  using Admit = std::function<Answer(const Values& symbols)>;
  using Symbol = TensorSpecs::Symbol;

  struct Instance {
    Values symbols;
    Values numbers;
    std::shared_ptr<CompiledCall> call;
  };

  /// The program for all sizes of which `a` and `b` are two; null when they differ in more than integers.
  static std::shared_ptr<SymbolicCall> unify(const PlannedProgram& a, const PlannedProgram& b,
                                             const std::vector<Symbol>& symbols);

  /// Whether at these sizes the program is `c`, integer for integer. What fitted so far and does not fit `c` is
  /// dropped.
  bool agrees(const PlannedProgram& c, const std::vector<int64_t>& symbols);

  /// Gets code for the kernels; before that every call is declined.
  void compile(const Options& options);
  void set_admit(Admit admit) { admit_ = std::move(admit); }

  /// The program at these sizes; null when it does not hold there. With the GIL, which also guards the instances.
  std::shared_ptr<const Instance> at(std::span<const int64_t> symbols);

  const CompiledPlan& compiled() const { return compiled_; }
  /// No integer of the recordings, or met while they were planned, is a fraction of a size (VaryingIntegers).
  bool has_no_fractions() const {
    return recorded_.have_no_fractions() && quotients_ && quotients_->have_no_fractions();
  }
  size_t instances_made() const { return instances_made_; }

 private:
  std::shared_ptr<CompiledCall> make(const Values& symbols);

  ParametricPlan plan_;
  CallBoundary boundary_;
  std::vector<SizeCandidates> integers_;      // of the boundary
  VaryingIntegers recorded_;                  // of the graph
  std::optional<VaryingIntegers> quotients_;  // nothing: they follow no rule
  Admit admit_;
  CompiledPlan compiled_;  // the plan of the first call with the parametric kernels
  bool has_code_ = false;
  std::vector<std::shared_ptr<const Instance>> instances_;  // the most recently used first
  std::set<Values> refused_;                                // sizes it does not hold for
  size_t instances_made_ = 0;
};

}  // namespace braze
