// What the scheduler hands to the runtime: the distinct kernels, and the launch list over planned memory.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include "graph/graph.h"
#include "schedule/arena_layout.h"
#include "schedule/kernel.h"

namespace braze {

/// Where a buffer lives during a call.
struct BufferRef {
  enum class Kind : uint8_t {
    Input,   // index: graph input; memory of the caller's tensor
    Output,  // index: graph output; memory from PyTorch's allocator, handed to the caller
    Arena,   // index: position in Plan::arena; offset: bytes from the start of the entry's arena, 64-byte aligned
    Owned    // index: slot filled by an extern call that allocates its own result
  };
  Kind kind = Kind::Arena;
  int32_t index = 0;
  int64_t offset = 0;
  bool operator==(const BufferRef&) const = default;
};

/// A graph input's buffer.
struct InputBuffer {
  DType dtype = DType::f32;
  int64_t length = 0;
};

struct KernelStep {
  int kernel = 0;                    // position in Plan::kernels
  std::vector<BufferRef> params;     // one a kernel param
  std::vector<std::string> origins;  // ATen ops computed here, for explain
};

/// A tensor an extern call reads or fills.
struct ExternTensor {
  BufferRef buffer;
  DType dtype = DType::f32;
  Geometry geometry;
};

struct ExternStep {
  ExternCall call;  // args index into `operands`; mutates' second index is unused here: operands already sit in the new
                    // version's buffer
  std::vector<ExternTensor>
      operands;  // a mutated operand is in the buffer of its new version (copied there by an earlier step if needed)
  std::vector<ExternTensor>
      results;                   // fresh outputs; Kind::Owned: the tensor the operator returns is kept until `release`
  bool into_results = false;     // call the out= variant with `results`
  std::vector<int32_t> release;  // Owned slots that die after this step
};

/// Fresh memory of an output that an Owned extern result becomes: no copy, the tensor itself is handed out.
struct OutputBuffer {
  DType dtype = DType::f32;
  int64_t length = 0;
  Geometry shape;
  int32_t owned = -1;  // the Owned slot that is this output, or -1: allocate
};

using Step = std::variant<KernelStep, ExternStep>;

struct Plan {
  std::vector<Kernel> kernels;  // distinct: equal ones are shared
  std::vector<Step> steps;
  std::vector<InputBuffer> inputs;
  std::vector<OutputBuffer> outputs;
  std::vector<ArenaRequest> arena;  // the buffers in the arena; lifetimes count the scheduler's tasks
  int64_t arena_bytes = 0;
  int32_t owned_slots = 0;
};

/// Answers whether PyTorch has an out= kernel for a call, so that its result can go into planned memory.
using HasOutVariant = std::function<bool(const ExternCall&)>;

/// Fuses nodes into kernels, orders them, and places every buffer. Linear in the number of nodes, give or take.
Plan schedule(const Graph& graph, const HasOutVariant& has_out_variant);

}  // namespace braze
