// Graph in, plan out: what becomes one kernel, in which order, and where everything lives.
#include <string>
#include <unordered_map>

#include "passes/pass.h"
#include "schedule/arena_layout.h"
#include "schedule/buffers.h"
#include "schedule/distribute_parts.h"
#include "schedule/forward_updates.h"
#include "schedule/fuse.h"
#include "schedule/liveness.h"
#include "schedule/plan.h"
#include "schedule/split_reductions.h"
#include "schedule/task.h"
#include "support/error.h"

namespace braze {
namespace {

std::vector<Task> build_tasks(const Graph& graph, const std::vector<FusionGroup>& groups, const Liveness& liveness) {
  std::vector<Task> tasks;
  for (size_t g = 0; g < groups.size(); ++g) {
    if (groups[g].library_call >= 0) {
      tasks.push_back({groups[g].library_call, {}});
      continue;
    }
    Task task;
    task.built = build_kernel(graph, groups[g], liveness.live[g], liveness.in_memory);
    if (!task.built.params.empty()) tasks.push_back(std::move(task));
  }
  return tasks;
}

/// The buffers that nothing else placed, laid out.
std::vector<ArenaRequest> place_in_arena(std::vector<PlannedBuffer>& buffers, int64_t& arena_bytes) {
  std::vector<ArenaRequest> arena;
  std::vector<PlannedBuffer*> placed;
  for (PlannedBuffer& buffer : buffers) {
    if (buffer.placed) continue;
    buffer.place = {BufferRef::Kind::Arena, -1, 0};
    if (buffer.bytes == 0) continue;
    buffer.place.index = static_cast<int32_t>(arena.size());
    arena.push_back({buffer.bytes, buffer.start, buffer.end});
    placed.push_back(&buffer);
  }
  arena_bytes = lay_out_arena(arena);
  for (size_t i = 0; i < arena.size(); ++i) placed[i]->place.offset = arena[i].offset;
  return arena;
}

class PlanWriter {
 public:
  PlanWriter(const Graph& graph, const BufferPlan& buffers, const HasOutVariant& has_out)
      : graph_(graph), buffers_(buffers), has_out_(has_out) {}

  Plan run(const std::vector<Task>& tasks, std::vector<ArenaRequest> arena, int64_t arena_bytes) {
    plan_.arena = std::move(arena);
    plan_.arena_bytes = arena_bytes;
    plan_.owned_slots = buffers_.owned_slots;
    for (ValueId id : graph_.inputs) plan_.inputs.push_back({graph_.value(id).dtype, graph_.value(id).length});
    for (size_t i = 0; i < graph_.outputs.size(); ++i) {
      const Value& value = graph_.value(graph_.outputs[i]);
      plan_.outputs.push_back({value.dtype, value.length, value.shape, buffers_.output_slots[i]});
    }
    for (size_t t = 0; t < tasks.size(); ++t) {
      for (const ValueCopy& copy : buffers_.copies_before[t]) add_copy(copy);
      if (tasks[t].is_kernel())
        add_kernel(tasks[t].built);
      else
        add_call(graph_.nodes[tasks[t].library_call], tasks[t].library_call);
      step_of_task_.push_back(plan_.steps.size() - 1);
    }
    for (const ValueCopy& copy : buffers_.copies_before.back()) add_copy(copy);
    release_slots();
    return std::move(plan_);
  }

 private:
  const BufferRef& place(ValueId id) const { return buffers_.buffers[buffers_.buffer_of[id]].place; }

  int kernel_index(const Kernel& kernel) {
    auto [at, fresh] = known_.try_emplace(print(kernel), static_cast<int>(plan_.kernels.size()));
    if (fresh) plan_.kernels.push_back(kernel);
    return at->second;
  }

  void add_copy(const ValueCopy& copy) {
    const Value& value = graph_.value(copy.value);
    KernelStep step;
    step.kernel = kernel_index(copy_kernel(value.dtype, value.length));
    step.params = {buffers_.buffers[copy.from].place, buffers_.buffers[copy.to].place};
    plan_.steps.push_back(std::move(step));
  }

  void add_kernel(const BuiltKernel& built) {
    verify(built.kernel);
    KernelStep step;
    step.kernel = kernel_index(built.kernel);
    for (ValueId id : built.params) step.params.push_back(place(id));
    step.origins = built.origins;
    plan_.steps.push_back(std::move(step));
  }

  void add_call(const Node& node, NodeId id) {
    ExternStep step;
    step.call = node.call;
    for (const Operand& operand : node.operands) {
      auto* access = std::get_if<Access>(&operand);
      check_internal(access != nullptr, "a library call reads memory");
      step.operands.push_back({place(access->value), graph_.value(access->value).dtype, access->geometry});
    }
    std::vector<char> renewed(node.results.size(), 0);
    for (auto [operand, result] : node.call.mutates) {
      step.operands[operand].buffer = place(node.results[result]);
      renewed[result] = 1;
    }
    for (size_t r = 0; r < node.results.size(); ++r) {
      const Value& value = graph_.value(node.results[r]);
      if (!renewed[r]) step.results.push_back({place(node.results[r]), value.dtype, value.shape});
    }
    step.into_results = !step.results.empty() && fills_planned_memory(graph_, id, has_out_);
    plan_.steps.push_back(std::move(step));
  }

  /// A slot is released at the first library call that runs when it is no longer used; without one, the end of the call
  /// does it.
  void release_slots() {
    std::vector<char> handed_out(buffers_.owned_slots, 0);
    for (int32_t slot : buffers_.output_slots)
      if (slot >= 0) handed_out[slot] = 1;
    for (const PlannedBuffer& buffer : buffers_.buffers) {
      if (buffer.place.kind != BufferRef::Kind::Owned || handed_out[buffer.place.index]) continue;
      if (buffer.end >= static_cast<int>(step_of_task_.size())) continue;
      for (size_t s = step_of_task_[buffer.end]; s < plan_.steps.size(); ++s) {
        auto* step = std::get_if<ExternStep>(&plan_.steps[s]);
        if (!step) continue;
        step->release.push_back(buffer.place.index);
        break;
      }
    }
  }

  const Graph& graph_;
  const BufferPlan& buffers_;
  const HasOutVariant& has_out_;
  std::unordered_map<std::string, int> known_;
  std::vector<size_t> step_of_task_;
  Plan plan_;
};

}  // namespace

Plan schedule(const Graph& original, const HasOutVariant& has_out_variant) {
  Graph graph = original;
  forward_updates(graph);
  if (distribute_parts(graph)) dce(graph);
  split_reductions(graph);
  const std::vector<FusionGroup> groups = fuse(graph);
  const Liveness liveness = find_live(graph, groups);
  const std::vector<Task> tasks = build_tasks(graph, groups, liveness);
  BufferPlan buffers = plan_buffers(graph, tasks, liveness.in_memory, has_out_variant);
  int64_t arena_bytes = 0;
  std::vector<ArenaRequest> arena = place_in_arena(buffers.buffers, arena_bytes);
  return PlanWriter(graph, buffers, has_out_variant).run(tasks, std::move(arena), arena_bytes);
}

}  // namespace braze
