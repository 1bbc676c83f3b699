// Deciding where and how finely a kernel is cut, from an estimate of its work.
#include "runtime/launch.h"

#include <algorithm>
#include <atomic>

#include "schedule/attention_form.h"
#include "schedule/depthwise_form.h"
#include "schedule/product_form.h"
#include "schedule/recurrence_form.h"
#include "schedule/size_params.h"
#include "support/error.h"

namespace braze {
namespace {

// A parallel region costs 1 us when the pool's threads are awake, and far more when they sleep or other programs run.
// One core streams 100 bytes a nanosecond from its cache; a chunk is worth a thread when it takes some 2.5 us.
constexpr double kChunkBytes = 256 << 10;
constexpr double kCostlyBytes = 48;  // an exp and its like, in bytes that could be streamed meanwhile
constexpr double kPlainBytes = 2;    // an addition
constexpr double kTermBytes = 1.2;   // a product and a sum in a tile
constexpr int64_t kPointwiseUnit = 64;
constexpr int64_t kEnoughRows = 16;

int64_t run_nothing(void* const*, int64_t, int64_t) { return 0; }

bool moves(const Instr& instr) {
  return std::any_of(instr.strides.begin(), instr.strides.end(), [](int64_t stride) { return stride != 0; });
}

/// The work of an instruction at one point, in bytes moved or that could be moved meanwhile.
double cost(const Instr& instr) {
  switch (instr.kind) {
    case InstrKind::Load:
    case InstrKind::Store: return moves(instr) ? info(instr.dtype).bytes : 0;
    case InstrKind::Gather: return info(instr.dtype).bytes;
    case InstrKind::Elementwise: return info(instr.op).has(Costly) ? kCostlyBytes : kPlainBytes;
    case InstrKind::Reduce: return kPlainBytes;
    case InstrKind::Constant:
    case InstrKind::Index: return 0;
  }
  return 0;
}

double cost_of_point(const Kernel& kernel, std::span<const int64_t> sizes) {
  if (const auto form = product_form(kernel)) return kTermBytes * static_cast<double>(form->depth);
  if (const auto form = attention_form(kernel))
    return kTermBytes * static_cast<double>(form->keys * (form->depth + form->columns)) /
           static_cast<double>(form->columns);
  if (const auto form = recurrence_form(kernel))
    return kTermBytes * static_cast<double>(form->gates * form->depth) / static_cast<double>(form->states);
  const auto reduce_points = static_cast<double>(kernel.reduce_points(sizes));
  double total = 0;
  for (const Instr& instr : kernel.body) {
    const bool once = instr.row && instr.kind != InstrKind::Reduce;
    total += cost(instr) * (once ? 1 : reduce_points);
  }
  return std::max(total, 1.0);
}

/// Where a cut costs nothing: between rows of the innermost parallel axis when there are many, else between whole
/// vectors and cache lines. A kernel that is vector along its reduced axis can be cut anywhere.
int64_t choose_unit(const Kernel& kernel, int64_t points, std::span<const int64_t> sizes) {
  if (const auto form = product_form(kernel)) return form->unit();
  if (const auto form = attention_form(kernel)) return form->unit();
  if (const auto form = recurrence_form(kernel)) return form->unit();
  if (const auto form = depthwise_form(kernel)) return form->unit();
  const int last = kernel.parallel_axes() - 1;
  if (last < 0 || (kernel.vector_axis >= 0 && kernel.vector_axis != last)) return 1;
  const int64_t row = value_of(kernel.axes[last], sizes);
  return last > 0 && points / row >= kEnoughRows ? row : kPointwiseUnit;
}

struct Shared {
  const KernelLaunch& launch;
  void* const* params;
  std::atomic<int64_t> status{0};
};

void run_chunk(int64_t begin, int64_t end, void* context) {
  auto& shared = *static_cast<Shared*>(context);
  const KernelLaunch& launch = shared.launch;
  const int64_t status = launch.run(shared.params, begin * launch.unit, std::min(end * launch.unit, launch.points));
  if (status != 0) shared.status.fetch_or(status, std::memory_order_relaxed);
}

}  // namespace

KernelLaunch prepare_launch(const Kernel& kernel, KernelFn run, std::span<const int64_t> sizes) {
  check_internal(static_cast<int>(sizes.size()) == kernel.size_params, "a launch needs one value a size parameter");
  const int64_t points = kernel.parallel_points(sizes);
  if (points == 0) return {.run = run_nothing};
  KernelLaunch launch{.run = run, .points = points, .unit = choose_unit(kernel, points, sizes)};
  const double unit_cost = cost_of_point(kernel, sizes) * static_cast<double>(launch.unit);
  launch.grain = static_cast<int64_t>(std::max(1.0, kChunkBytes / unit_cost));
  launch.parallel = points >= 2 * launch.grain * launch.unit;
  return launch;
}

int64_t launch_parallel(const KernelLaunch& launch, void* const* params, ParallelFor parallel_for) {
  Shared shared{launch, params};
  parallel_for(0, (launch.points + launch.unit - 1) / launch.unit, launch.grain, run_chunk, &shared);
  return shared.status.load(std::memory_order_relaxed);
}

}  // namespace braze
