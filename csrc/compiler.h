// The compiler: graph in, plan and native code out. See compiler.cpp for the pipeline.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "passes/own_attention.h"
#include "passes/own_products.h"
#include "passes/own_recurrence.h"
#include "passes/pass.h"
#include "runtime/kernel_cache.h"
#include "schedule/parametric_plan.h"
#include "schedule/plan.h"
#include "support/options.h"

namespace braze {

/// What one compilation cost, for explain and the log.
struct CompileRecord {
  std::vector<PassRecord> passes;
  double schedule_ms = 0, codegen_ms = 0, load_ms = 0;  // codegen: until every kernel was there, loading included
  double total_ms = 0;
  int kernels_compiled = 0, kernels_from_memory = 0, kernels_from_disk = 0;
};

/// A launch list and the code it launches.
struct CompiledPlan {
  Plan plan;
  std::vector<FoundKernel> kernels;  // one a kernel of the plan; they keep the code loaded
  CompileRecord record;
};

/// A launch list for many sizes and the code it launches, which every instance of the plan shares.
struct CompiledParametricPlan {
  ParametricPlan plan;
  std::vector<FoundKernel> kernels;  // one a kernel of plan.plan, and so of every instance
  CompileRecord record;
};

/// Gets code for the kernels of a parametric plan. `kernels` defaults to the cache of this process.
CompiledParametricPlan compile(ParametricPlan plan, const Options& options);
CompiledParametricPlan compile(ParametricPlan plan, const Options& options, KernelCache& kernels);

/// The passes that the options say to skip.
std::vector<std::string> disabled_passes(const Options& options);

/// The plan of one of several recordings that are to become one parametric plan, so without what one size may do
/// otherwise than another. `quotients`: what sizes were divided to on the way.
Plan plan_of(Graph graph, const Options& options, const HasOutVariant& has_out_variant,
             std::vector<int64_t>& quotients);

/// Compiles a graph for the CPU. `kernels` defaults to the cache of this process; without `prefers_own` all products
/// are the library's, without `prefers_own_attention` all attention is PyTorch's, without `prefers_own_recurrence` all
/// recurrent layers are.
CompiledPlan compile(Graph graph, const Options& options, const HasOutVariant& has_out_variant,
                     const PrefersOwn& prefers_own = nullptr,
                     const PrefersOwnAttention& prefers_own_attention = nullptr,
                     const PrefersOwnRecurrence& prefers_own_recurrence = nullptr);
CompiledPlan compile(Graph graph, const Options& options, const HasOutVariant& has_out_variant, KernelCache& kernels,
                     const PrefersOwn& prefers_own = nullptr,
                     const PrefersOwnAttention& prefers_own_attention = nullptr,
                     const PrefersOwnRecurrence& prefers_own_recurrence = nullptr);

}  // namespace braze
