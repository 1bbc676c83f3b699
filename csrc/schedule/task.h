// A step of the plan before memory is planned: values instead of buffers.
#pragma once

#include "schedule/build_kernel.h"

namespace braze {

struct Task {
  NodeId library_call = -1;  // -1: `built` is what runs
  BuiltKernel built;

  bool is_kernel() const { return library_call < 0; }
};

/// True when the kernel touches what it reads through param `read` only where, at the same point, it writes param
/// `written`: then the two may be one buffer.
bool reads_where_it_writes(const Kernel& kernel, int read, int written);

}  // namespace braze
