// When each value in memory is made, read, and replaced by a newer version of its buffer.
#pragma once

#include <vector>

#include "schedule/task.h"

namespace braze {

/// A new version `made` of the buffer of `old`, made by task `task`.
struct Version {
  ValueId old = -1;
  ValueId made = -1;
  int task = 0;
};

struct Lifetimes {
  std::vector<int> made;  // by value: the task that writes it; -1: an input, or never written
  std::vector<int>
      last_read;  // by value: the last task that reads it or makes a version of it; the number of tasks: read after all
  std::vector<int> first_use;     // by value: the first task that touches it; the number of tasks when none does
  std::vector<char> kept;         // by value: an output, or the final contents of an input
  std::vector<Version> versions;  // in the order of tasks
  std::vector<int>
      mutated_input;  // by value: the input whose final contents it is or goes into by later versions; -1: none
};

Lifetimes find_lifetimes(const Graph& graph, const std::vector<Task>& tasks);

}  // namespace braze
