// Which values share a buffer, and what kind of memory each buffer is.
//
// A buffer holds a chain of versions: an update, or a library call that writes through an operand, makes the next
// version in place when nobody reads the older one later; otherwise the older one is copied first. A buffer that ends
// as an output lives in that output from the start, one that ends as the contents of a mutated input lives in that
// input if nobody still reads what was there.
#pragma once

#include <functional>
#include <vector>

#include "schedule/plan.h"
#include "schedule/task.h"

namespace braze {

struct PlannedBuffer {
  BufferRef place;      // arena offsets are not known yet
  bool placed = false;  // false: the arena, or wherever suits
  ValueId first = -1;   // the oldest version in it
  int64_t bytes = 0;
  int start = 0;  // the first task that writes it (inputs: -1)
  int end = -1;   // the last task that uses it; the number of tasks: it is used after the last one
};

/// A copy of a whole value from one buffer to another.
struct ValueCopy {
  ValueId value = -1;
  int from = -1, to = -1;
};

struct BufferPlan {
  std::vector<int> buffer_of;                         // by value, -1: not in memory
  std::vector<PlannedBuffer> buffers;                 // those without bytes may be unused
  std::vector<std::vector<ValueCopy>> copies_before;  // by task, and one list for after the last
  std::vector<int32_t> output_slots;                  // by output: the Owned slot that becomes it, or -1
  int32_t owned_slots = 0;
};

BufferPlan plan_buffers(const Graph& graph, const std::vector<Task>& tasks, const std::vector<char>& in_memory,
                        const HasOutVariant& has_out_variant);

/// True when the call's fresh results go into planned memory.
bool fills_planned_memory(const Graph& graph, NodeId call, const HasOutVariant& has_out_variant);

}  // namespace braze
