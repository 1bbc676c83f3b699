// What a kernel reads and writes at the same place.
#include "schedule/task.h"

namespace braze {

bool reads_where_it_writes(const Kernel& kernel, int read, int written) {
  // With reduce axes an emitter may read an element again after a store of the same point.
  if (kernel.reduce_axes > 0 || info(kernel.params[read].dtype).bytes != info(kernel.params[written].dtype).bytes)
    return false;
  const Instr* place = nullptr;
  for (const Instr& in : kernel.body) {
    const bool reads = (in.kind == InstrKind::Load || in.kind == InstrKind::Gather) && in.param == read;
    const bool writes = in.kind == InstrKind::Store && in.param == written;
    if (!reads && !writes) continue;
    if (in.kind == InstrKind::Gather) return false;
    if (place && (place->offset != in.offset || place->strides != in.strides)) return false;
    place = &in;
  }
  return true;
}

}  // namespace braze
