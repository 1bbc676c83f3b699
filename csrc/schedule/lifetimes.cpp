// One walk over the tasks.
#include "schedule/lifetimes.h"

#include <algorithm>

namespace braze {
namespace {

class Finder {
 public:
  Finder(const Graph& graph, const std::vector<Task>& tasks) : graph_(graph), tasks_(tasks) {
    const int end = static_cast<int>(tasks.size());
    result_.made.assign(graph.values.size(), -1);
    result_.last_read.assign(graph.values.size(), -1);
    result_.first_use.assign(graph.values.size(), end);
    result_.kept.assign(graph.values.size(), 0);
    result_.mutated_input.assign(graph.values.size(), -1);
  }

  Lifetimes run() {
    for (task_ = 0; task_ < static_cast<int>(tasks_.size()); ++task_) {
      if (tasks_[task_].is_kernel())
        kernel(tasks_[task_].built);
      else
        call(graph_.nodes[tasks_[task_].library_call]);
    }
    for (ValueId id : graph_.outputs) keep(id);
    for (const Mutation& mutation : graph_.mutations) {
      keep(mutation.value);
      trace(mutation);
    }
    return std::move(result_);
  }

 private:
  void read(ValueId id) {
    result_.last_read[id] = task_;
    result_.first_use[id] = std::min(result_.first_use[id], task_);
  }

  void make(ValueId id) {
    result_.made[id] = task_;
    result_.first_use[id] = std::min(result_.first_use[id], task_);
  }

  void renew(ValueId old, ValueId made) {
    read(old);
    result_.versions.push_back({old, made, task_});
  }

  void keep(ValueId id) {
    result_.kept[id] = 1;
    result_.last_read[id] = static_cast<int>(tasks_.size());
  }

  void kernel(const BuiltKernel& built) {
    for (size_t p = 0; p < built.params.size(); ++p) {
      const ValueId id = built.params[p];
      if (!built.kernel.params[p].written) {
        read(id);
        continue;
      }
      make(id);
      const Node& node = graph_.nodes[graph_.value(id).producer];
      if (node.op == Op::update_) renew(std::get<Access>(node.operands[0]).value, id);
    }
  }

  void call(const Node& node) {
    for (const Operand& operand : node.operands)
      if (auto* access = std::get_if<Access>(&operand)) read(access->value);
    for (ValueId id : node.results) make(id);
    for (auto [operand, result] : node.call.mutates)
      renew(std::get<Access>(node.operands[operand]).value, node.results[result]);
  }

  /// The value whose buffer `id` is a new version of, or -1.
  ValueId older(ValueId id) const {
    const NodeId n = graph_.value(id).producer;
    if (n < 0) return -1;
    const Node& node = graph_.nodes[n];
    if (node.op == Op::update_) return std::get<Access>(node.operands[0]).value;
    for (auto [operand, result] : node.call.mutates)
      if (node.results[result] == id) return std::get<Access>(node.operands[operand]).value;
    return -1;
  }

  void trace(const Mutation& mutation) {
    std::vector<ValueId> chain;
    ValueId id = mutation.value;
    for (; id >= 0 && id != graph_.inputs[mutation.input]; id = older(id)) chain.push_back(id);
    if (id < 0) return;
    for (ValueId version : chain) result_.mutated_input[version] = mutation.input;
  }

  const Graph& graph_;
  const std::vector<Task>& tasks_;
  int task_ = 0;
  Lifetimes result_;
};

}  // namespace

Lifetimes find_lifetimes(const Graph& graph, const std::vector<Task>& tasks) { return Finder(graph, tasks).run(); }

}  // namespace braze
