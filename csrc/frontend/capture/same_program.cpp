#include "frontend/capture/same_program.h"

#include <cstring>

#include "graph/print.h"

namespace braze {

bool same_contents(const at::Tensor& a, const at::Tensor& b) {
  if (a.scalar_type() != b.scalar_type() || a.sizes() != b.sizes() || a.strides() != b.strides()) return false;
  at::Tensor x = a.contiguous(), y = b.contiguous();
  return x.nbytes() == 0 || x.is_meta() || y.is_meta() || std::memcmp(x.data_ptr(), y.data_ptr(), x.nbytes()) == 0;
}

bool same_program(const CapturedProgram& a, const CapturedProgram& b) {
  if (a.slot_offsets != b.slot_offsets || a.absences != b.absences || a.generators != b.generators) return false;
  if (a.inputs != b.inputs || a.outputs != b.outputs || a.mutated != b.mutated ||
      a.captured.size() != b.captured.size())
    return false;
  if (a.constants.size() != b.constants.size() || a.value_guards.size() != b.value_guards.size()) return false;
  for (size_t i = 0; i < a.value_guards.size(); ++i)
    if (a.value_guards[i].value.bytes != b.value_guards[i].value.bytes) return false;
  for (size_t i = 0; i < a.constants.size(); ++i)
    if (!same_contents(a.constants[i], b.constants[i])) return false;
  return print(a.graph) == print(b.graph);
}

}  // namespace braze
