// A compiled program ready to run on tensors: the hot half of an entry, after its guards held.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "compiler.h"
#include "frontend/call/call_boundary.h"
#include "frontend/call/executable.h"
#include "frontend/call/frame.h"
#include "runtime/launch.h"
#include "runtime/lease_pool.h"

namespace braze {

class CompiledCall : public Executable {
 public:
  /// `boundary` is that of the program `compiled` was made from. `step_sizes`: by step, the size parameters of its
  /// kernel (PlanInstance); empty when all kernels are static.
  CompiledCall(CompiledPlan compiled, CallBoundary boundary, std::vector<std::vector<int64_t>> step_sizes = {});

  bool run(at::TensorImpl* const* inputs, size_t count, std::vector<at::Tensor>& outputs) override;

  const CompiledPlan& compiled() const { return compiled_; }

  /// Microseconds of each step, the best of the first few runs, which have a clock around each; none before them.
  const std::vector<double>& step_microseconds() const { return step_microseconds_; }

 private:
  /// The addresses of one call.
  struct Addresses {
    std::vector<char*> inputs, outputs;
    std::vector<at::Tensor> buffers;  // by graph output
  };

  void shape_outputs();
  void find_patches();
  void find_value_checks(const std::vector<ValueGuard>& guards);
  bool values_hold(const Frame& frame, const Addresses& addresses, size_t step, size_t& next) const;
  Addresses addresses_of(at::TensorImpl* const* inputs, size_t count) const;
  bool written_inputs_overlap(const Addresses& addresses) const;
  bool run_steps(Frame& frame, const Addresses& addresses, std::vector<double>* microseconds);
  bool run_safely(Frame& frame, const Addresses& addresses, std::vector<double>* microseconds);
  void keep_times(const std::vector<double>& microseconds);
  void move_versions(at::TensorImpl* const* inputs) const;
  void make_outputs(at::TensorImpl* const* inputs, Addresses& addresses, Frame& frame,
                    std::vector<at::Tensor>& outputs);

  CompiledPlan compiled_;
  CallBoundary boundary_;
  std::vector<std::vector<int64_t>> step_sizes_;       // by step
  std::vector<std::pair<size_t, int>> version_moves_;  // slot, by how much its version counter moves
  std::vector<int64_t> input_bytes_;                   // by graph input
  std::vector<int64_t> delta_bytes_;                   // by graph input
  struct ValueCheck {
    int step;  // after which the value is there
    ValueGuard guard;
  };
  std::vector<ValueCheck> value_checks_;                // by step, ascending
  std::vector<KernelLaunch> launches_;                  // by step
  std::vector<std::unique_ptr<ExternCallSite>> sites_;  // by step
  std::vector<PointerPatch> patches_;                   // by step, ascending
  bool may_refuse_ = false;  // indices or values are checked on the way, so a call can turn out to be eager's
  bool heavy_ = false;       // worth letting other Python threads run meanwhile
  int runs_to_time_ = 3;
  std::vector<double> step_microseconds_;

  LeasePool<Frame> frames_;
};

}  // namespace braze
