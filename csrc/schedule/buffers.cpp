// Puts versions of a buffer together, then finds each buffer a home: its input, its output, the library, or the arena.
#include "schedule/buffers.h"

#include <algorithm>

#include "schedule/lifetimes.h"
#include "support/error.h"

namespace braze {
namespace {

using Kind = BufferRef::Kind;

bool is_renewed(const ExternCall& call, int result) {
  return std::any_of(call.mutates.begin(), call.mutates.end(), [&](auto pair) { return pair.second == result; });
}

class Planner {
 public:
  Planner(const Graph& graph, const std::vector<Task>& tasks, const std::vector<char>& in_memory,
          const HasOutVariant& has_out)
      : graph_(graph),
        tasks_(tasks),
        has_out_(has_out),
        life_(find_lifetimes(graph, tasks)),
        end_(static_cast<int>(tasks.size())) {
    plan_.buffer_of.assign(graph.values.size(), -1);
    plan_.copies_before.resize(tasks.size() + 1);
    was_renewed_.assign(graph.values.size(), 0);
    plan_.output_slots.assign(graph.outputs.size(), -1);
    for (size_t i = 0; i < graph.inputs.size(); ++i) {
      PlannedBuffer& buffer = add_buffer(graph.inputs[i]);
      buffer.place = {Kind::Input, static_cast<int32_t>(i), 0};
      buffer.placed = true;
      buffer.start = -1;
    }
    for (ValueId id = 0; id < static_cast<ValueId>(graph.values.size()); ++id)
      if (plan_.buffer_of[id] < 0 && (in_memory[id] || life_.made[id] >= 0) && !is_version(id)) add_buffer(id);
  }

  BufferPlan run() {
    place_owned_results();
    for (const Version& version : life_.versions) add_version(version);
    place_in_inputs();
    place_in_outputs();
    join_dying_inputs();
    add_last_copies();
    follow_moves();
    return std::move(plan_);
  }

 private:
  PlannedBuffer& buffer_of(ValueId id) { return plan_.buffers[plan_.buffer_of[id]]; }
  int64_t bytes(ValueId id) const { return graph_.value(id).length * info(graph_.value(id).dtype).bytes; }

  bool is_version(ValueId id) const {
    const NodeId n = graph_.value(id).producer;
    if (n < 0) return false;
    const Node& node = graph_.nodes[n];
    if (node.op == Op::update_) return true;
    for (auto [operand, result] : node.call.mutates)
      if (node.results[result] == id) return true;
    return false;
  }

  PlannedBuffer& add_buffer(ValueId id) {
    plan_.buffer_of[id] = static_cast<int>(plan_.buffers.size());
    plan_.buffers.push_back({});
    PlannedBuffer& buffer = plan_.buffers.back();
    buffer.first = id;
    buffer.bytes = bytes(id);
    buffer.start = life_.made[id] >= 0 ? life_.made[id] : life_.first_use[id];
    buffer.end = std::max(life_.last_read[id], buffer.start);
    return buffer;
  }

  void place_owned_results() {
    for (const Task& task : tasks_) {
      if (task.is_kernel() || fills_planned_memory(graph_, task.library_call, has_out_)) continue;
      const Node& node = graph_.nodes[task.library_call];
      for (size_t r = 0; r < node.results.size(); ++r) {
        if (is_renewed(node.call, static_cast<int>(r))) continue;
        buffer_of(node.results[r]).place = {Kind::Owned, plan_.owned_slots++, 0};
        buffer_of(node.results[r]).placed = true;
      }
    }
  }

  // Versions

  bool is_unwritten(ValueId id) const {
    const NodeId n = graph_.value(id).producer;
    return n >= 0 && graph_.nodes[n].op == Op::empty_;
  }

  /// True when the new version may be written over the old one.
  bool replaces(const Version& version) {
    const ValueId old = version.old;
    const PlannedBuffer& buffer = buffer_of(old);
    if (life_.kept[old] || life_.last_read[old] > version.task || was_renewed_[old]) return false;
    if (buffer.place.kind == Kind::Input && life_.mutated_input[version.made] != buffer.place.index) return false;
    const Task& task = tasks_[version.task];
    if (!task.is_kernel()) return true;
    for (size_t r = 0; r < task.built.params.size(); ++r) {
      if (task.built.params[r] != old || task.built.kernel.params[r].written) continue;
      for (size_t w = 0; w < task.built.params.size(); ++w)
        if (task.built.params[w] == version.made && task.built.kernel.params[w].written &&
            !reads_where_it_writes(task.built.kernel, static_cast<int>(r), static_cast<int>(w)))
          return false;
    }
    return true;
  }

  void add_version(const Version& version) {
    if (replaces(version)) {
      plan_.buffer_of[version.made] = plan_.buffer_of[version.old];
      PlannedBuffer& buffer = buffer_of(version.made);
      buffer.end = std::max({buffer.end, life_.last_read[version.made], version.task});
      was_renewed_[version.old] = 1;
      return;
    }
    PlannedBuffer& buffer = add_buffer(version.made);
    buffer.start = std::min(buffer.start, version.task);
    if (!is_unwritten(version.old) && buffer.bytes > 0)
      plan_.copies_before[version.task].push_back(
          {version.old, plan_.buffer_of[version.old], plan_.buffer_of[version.made]});
  }

  // Inputs that end with other contents

  void place_in_inputs() {
    for (const Mutation& mutation : graph_.mutations) {
      const ValueId input = graph_.inputs[mutation.input];
      const BufferRef place{Kind::Input, mutation.input, 0};
      PlannedBuffer& buffer = buffer_of(mutation.value);
      if (buffer.bytes == 0 || (buffer.placed && buffer.place == place)) continue;
      if (!buffer.placed && is_free_for(input, mutation.value)) {
        buffer.place = place;
        buffer.placed = true;
        buffer_of(input).end = std::max(buffer_of(input).end, buffer.end);
      } else {
        copies_to_inputs_.push_back({mutation.value, plan_.buffer_of[mutation.value], plan_.buffer_of[input]});
      }
    }
  }

  /// True when nothing needs what is in an input's memory once the buffer of `value` is first written.
  bool is_free_for(ValueId input, ValueId value) {
    const PlannedBuffer &old = buffer_of(input), &fresh = buffer_of(value);
    if (old.end < fresh.start) return true;
    if (old.end > fresh.start || fresh.start >= end_ || !tasks_[fresh.start].is_kernel()) return false;
    return plan_.copies_before[fresh.start].empty() &&
           may_be_one(tasks_[fresh.start].built, plan_.buffer_of[input], plan_.buffer_of[value]);
  }

  /// True when the kernel may read buffer `read` and write buffer `written` in the same memory.
  bool may_be_one(const BuiltKernel& built, int read, int written) const {
    for (size_t r = 0; r < built.params.size(); ++r)
      for (size_t w = 0; w < built.params.size(); ++w) {
        if (built.kernel.params[r].written || !built.kernel.params[w].written) continue;
        if (plan_.buffer_of[built.params[r]] != read || plan_.buffer_of[built.params[w]] != written) continue;
        if (!reads_where_it_writes(built.kernel, static_cast<int>(r), static_cast<int>(w))) return false;
      }
    return true;
  }

  // Outputs

  void place_in_outputs() {
    std::vector<char> slot_taken(plan_.owned_slots);
    for (size_t i = 0; i < graph_.outputs.size(); ++i) {
      const ValueId id = graph_.outputs[i];
      const BufferRef place{Kind::Output, static_cast<int32_t>(i), 0};
      PlannedBuffer& buffer = buffer_of(id);
      if (buffer.placed && buffer.place.kind == Kind::Owned && !slot_taken[buffer.place.index] &&
          graph_.value(buffer.first).shape == graph_.value(id).shape) {
        slot_taken[buffer.place.index] = 1;
        plan_.output_slots[i] = buffer.place.index;
      } else if (!buffer.placed) {
        buffer.place = place;
        buffer.placed = true;
      } else if (buffer.bytes > 0) {
        const int from = plan_.buffer_of[id];
        copies_to_outputs_.push_back({id, from, add_place(place, true)});
      }
    }
  }

  int add_place(const BufferRef& place, bool placed) {
    PlannedBuffer buffer;
    buffer.place = place;
    buffer.placed = placed;
    buffer.start = buffer.end = end_;
    plan_.buffers.push_back(buffer);
    return static_cast<int>(plan_.buffers.size()) - 1;
  }

  // Reuse of what dies in a kernel for what the kernel makes

  void join_dying_inputs() {
    for (int t = 0; t < end_; ++t) {
      if (!tasks_[t].is_kernel() || !plan_.copies_before[t].empty()) continue;
      const BuiltKernel& built = tasks_[t].built;
      for (size_t w = 0; w < built.params.size(); ++w)
        if (built.kernel.params[w].written) join_one(built, plan_.buffer_of[built.params[w]], t);
    }
  }

  void join_one(const BuiltKernel& built, int made, int task) {
    const PlannedBuffer& fresh = plan_.buffers[made];
    if (fresh.start != task || fresh.bytes == 0 || (fresh.placed && fresh.place.kind != Kind::Output)) return;
    for (size_t r = 0; r < built.params.size(); ++r) {
      const int dying = plan_.buffer_of[built.params[r]];
      const PlannedBuffer& old = plan_.buffers[dying];
      if (built.kernel.params[r].written || dying == made || old.placed || old.end != task || old.bytes != fresh.bytes)
        continue;
      if (writes(built, dying) || !may_be_one(built, dying, made)) continue;
      plan_.buffers[made].start = old.start;
      plan_.buffers[dying].bytes = 0;
      move_values(dying, made);
      return;
    }
  }

  bool writes(const BuiltKernel& built, int buffer) const {
    for (size_t w = 0; w < built.params.size(); ++w)
      if (built.kernel.params[w].written && plan_.buffer_of[built.params[w]] == buffer) return true;
    return false;
  }

  void move_values(int from, int to) {
    if (values_in_.empty()) {
      values_in_.resize(plan_.buffers.size());
      for (ValueId id = 0; id < static_cast<ValueId>(plan_.buffer_of.size()); ++id)
        if (plan_.buffer_of[id] >= 0) values_in_[plan_.buffer_of[id]].push_back(id);
    }
    for (ValueId id : values_in_[from]) {
      plan_.buffer_of[id] = to;
      values_in_[to].push_back(id);
    }
    values_in_[from].clear();
    moved_to_.resize(plan_.buffers.size(), -1);
    moved_to_[from] = to;
  }

  /// Copies planned before buffers were joined follow them.
  void follow_moves() {
    auto follow = [&](int& buffer) {
      while (buffer < static_cast<int>(moved_to_.size()) && moved_to_[buffer] >= 0) buffer = moved_to_[buffer];
    };
    for (std::vector<ValueCopy>& copies : plan_.copies_before)
      for (ValueCopy& copy : copies) {
        follow(copy.from);
        follow(copy.to);
      }
  }

  // After the last task: copies to outputs first, then to inputs. What is copied over later but still read is set aside
  // before.

  void add_last_copies() {
    std::vector<ValueCopy>& last = plan_.copies_before.back();
    last = copies_to_outputs_;
    auto is_overwritten = [&](int buffer) {
      return std::any_of(copies_to_inputs_.begin(), copies_to_inputs_.end(),
                         [&](const ValueCopy& c) { return c.to == buffer; });
    };
    for (ValueCopy& copy : copies_to_inputs_) {
      if (!is_overwritten(copy.from)) continue;
      const int aside = add_place({}, false);
      plan_.buffers[aside].bytes = bytes(copy.value);
      last.push_back({copy.value, copy.from, aside});
      copy.from = aside;
    }
    last.insert(last.end(), copies_to_inputs_.begin(), copies_to_inputs_.end());
  }

  const Graph& graph_;
  const std::vector<Task>& tasks_;
  const HasOutVariant& has_out_;
  Lifetimes life_;
  int end_;
  std::vector<char> was_renewed_;  // by value: a newer version has taken its buffer
  std::vector<ValueCopy> copies_to_outputs_, copies_to_inputs_;
  std::vector<std::vector<ValueId>> values_in_;  // by buffer
  std::vector<int> moved_to_;                    // by buffer that was joined to another
  BufferPlan plan_;
};

}  // namespace

bool fills_planned_memory(const Graph& graph, NodeId call, const HasOutVariant& has_out_variant) {
  return has_out_variant && has_out_variant(graph.nodes[call].call);
}

BufferPlan plan_buffers(const Graph& graph, const std::vector<Task>& tasks, const std::vector<char>& in_memory,
                        const HasOutVariant& has_out_variant) {
  return Planner(graph, tasks, in_memory, has_out_variant).run();
}

}  // namespace braze
