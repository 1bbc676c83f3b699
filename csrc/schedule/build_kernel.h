// A fusion group as Loop IR.
#pragma once

#include <string>
#include <vector>

#include "schedule/fusion_group.h"
#include "schedule/kernel.h"

namespace braze {

struct BuiltKernel {
  Kernel kernel;
  std::vector<ValueId> params;       // the value each param is read from or written to
  std::vector<std::string> origins;  // ATen ops computed here, each once
};

/// Builds the kernel of the members marked in `live`, which stores what `in_memory` marks. Groups that differ in names
/// only give equal kernels.
BuiltKernel build_kernel(const Graph& graph, const FusionGroup& group, const std::vector<char>& live,
                         const std::vector<char>& in_memory);

/// A kernel that copies a whole buffer.
Kernel copy_kernel(DType dtype, int64_t length);

/// The dtype kernels move elements of `dtype` at: itself, or for library-only types an integer of the same size (c128:
/// two i64).
DType moved_as(DType dtype);

}  // namespace braze
