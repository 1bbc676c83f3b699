// The whole compiler on one page: verify, run passes, schedule, get code for the kernels, and tell what it cost.
#include "compiler.h"

#include <chrono>
#include <cstdio>
#include <utility>

#include "compile_dump.h"
#include "graph/size_division.h"
#include "graph/verify.h"
#include "schedule/size_params.h"
#include "support/log.h"

namespace braze {
namespace {

class Stopwatch {
 public:
  double milliseconds() const { return std::chrono::duration<double, std::milli>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

std::vector<std::string> texts_of(const std::vector<Kernel>& kernels) {
  std::vector<std::string> texts;
  texts.reserve(kernels.size());
  for (const Kernel& kernel : kernels) texts.push_back(print(kernel));
  return texts;
}

CodegenOptions codegen_options(const Options& options) {
  return {.isa = options.isa, .fast_math = options.numerics == "fast"};
}

void count_origins(const std::vector<FoundKernel>& kernels, CompileRecord& record) {
  for (const FoundKernel& found : kernels) {
    switch (found.origin) {
      case KernelOrigin::Memory: ++record.kernels_from_memory; continue;
      case KernelOrigin::Disk: ++record.kernels_from_disk; break;
      case KernelOrigin::Compiled: ++record.kernels_compiled; break;
    }
    record.load_ms += found.kernel->load_ms;
  }
}

std::string in_milliseconds(double milliseconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f ms", milliseconds);
  return text;
}

std::string axes_text(const Kernel& kernel) {
  std::string text;
  for (size_t a = 0; a < kernel.axes.size(); ++a) {
    const bool first_reduced = static_cast<int>(a) == kernel.parallel_axes();
    text += (first_reduced ? " reduce " : text.empty() ? "" : "x") + size_text(kernel.axes[a]);
  }
  return text.empty() ? "one point" : text;
}

void log_kernel(int position, const Kernel& kernel, const FoundKernel& found) {
  if (!log_enabled(LogChannel::kernels)) return;
  int written = 0;
  for (const KernelParam& param : kernel.params) written += param.written;
  const char* origin = found.origin == KernelOrigin::Memory ? "from memory" : "from disk";
  const bool compiled = found.origin == KernelOrigin::Compiled;
  log_line(LogChannel::kernels, std::to_string(position) + " " + found.kernel->name + " over " + axes_text(kernel) +
                                    ", " + std::to_string(kernel.params.size() - written) + " in, " +
                                    std::to_string(written) + " out, " + std::to_string(kernel.body.size()) +
                                    " instructions, " +
                                    (compiled ? "compiled in " + in_milliseconds(found.kernel->compile_ms) : origin));
}

void tell_kernels(const Plan& plan, const std::vector<FoundKernel>& kernels, CompileRecord& record) {
  count_origins(kernels, record);
  for (size_t i = 0; i < kernels.size(); ++i) log_kernel(static_cast<int>(i), plan.kernels[i], kernels[i]);
}

void log_compile(const Plan& plan, const CompileRecord& record) {
  if (!log_enabled(LogChannel::compiles)) return;
  double passes_ms = 0;
  for (const PassRecord& pass : record.passes) passes_ms += pass.milliseconds;
  log_line(LogChannel::compiles,
           std::to_string(plan.steps.size()) + " steps, " + std::to_string(plan.kernels.size()) + " kernels (" +
               std::to_string(record.kernels_compiled) + " compiled, " + std::to_string(record.kernels_from_disk) +
               " from disk, " + std::to_string(record.kernels_from_memory) + " from memory) in " +
               in_milliseconds(record.total_ms) + ": passes " + in_milliseconds(passes_ms) + ", schedule " +
               in_milliseconds(record.schedule_ms) + ", code " + in_milliseconds(record.codegen_ms));
}

}  // namespace

std::vector<std::string> disabled_passes(const Options& options) {
  const std::string& text = options.disabled_passes;
  std::vector<std::string> names;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    names.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

CompiledPlan compile(Graph graph, const Options& options, const HasOutVariant& has_out_variant, KernelCache& kernels,
                     const PrefersOwn& prefers_own, const PrefersOwnAttention& prefers_own_attention,
                     const PrefersOwnRecurrence& prefers_own_recurrence) {
  const Stopwatch total;
  CompiledPlan compiled;
  CompileRecord& record = compiled.record;
  const CodegenOptions codegen = codegen_options(options);
  CompileDump dump(options.dump);

  verify(graph);
  dump.graph(graph);

  record.passes = run_passes(graph, disabled_passes(options), dump.on());
  dump.passes(record.passes);
  if (prefers_own_recurrence && own_recurrence(graph, prefers_own_recurrence)) verify(graph);
  if (prefers_own && own_products(graph, prefers_own)) verify(graph);
  if (prefers_own_attention && own_attention(graph, prefers_own_attention)) verify(graph);

  const Stopwatch scheduling;
  compiled.plan = schedule(graph, has_out_variant);
  record.schedule_ms = scheduling.milliseconds();
  dump.plan(compiled.plan);

  const Stopwatch code;
  compiled.kernels = kernels.get(texts_of(compiled.plan.kernels), codegen);
  record.codegen_ms = code.milliseconds();
  dump.code(compiled.plan, compiled.kernels, kernels.backend(), codegen);

  tell_kernels(compiled.plan, compiled.kernels, record);
  record.total_ms = total.milliseconds();
  log_compile(compiled.plan, record);
  return compiled;
}

Plan plan_of(Graph graph, const Options& options, const HasOutVariant& has_out_variant,
             std::vector<int64_t>& quotients) {
  QuotientNotes notes;
  graph.sizes_vary = true;
  verify(graph);
  std::vector<std::string> disabled = disabled_passes(options);
  disabled.push_back("exact_reciprocals");
  run_passes(graph, disabled);
  Plan plan = schedule(graph, has_out_variant);
  quotients = notes.take();
  return plan;
}

CompiledParametricPlan compile(ParametricPlan plan, const Options& options, KernelCache& kernels) {
  const Stopwatch total;
  CompiledParametricPlan compiled{std::move(plan), {}, {}};
  CompileRecord& record = compiled.record;
  const Plan& shared = compiled.plan.plan;
  const CodegenOptions codegen = codegen_options(options);
  CompileDump dump(options.dump);
  dump.plan(shared);

  compiled.kernels = kernels.get(texts_of(shared.kernels), codegen);
  record.codegen_ms = total.milliseconds();
  dump.code(shared, compiled.kernels, kernels.backend(), codegen);

  tell_kernels(shared, compiled.kernels, record);
  record.total_ms = total.milliseconds();
  log_compile(shared, record);
  return compiled;
}

CompiledParametricPlan compile(ParametricPlan plan, const Options& options) {
  return compile(std::move(plan), options, process_kernel_cache());
}

CompiledPlan compile(Graph graph, const Options& options, const HasOutVariant& has_out_variant,
                     const PrefersOwn& prefers_own, const PrefersOwnAttention& prefers_own_attention,
                     const PrefersOwnRecurrence& prefers_own_recurrence) {
  return compile(std::move(graph), options, has_out_variant, process_kernel_cache(), prefers_own, prefers_own_attention,
                 prefers_own_recurrence);
}

}  // namespace braze
