// One walk over the instructions.
#include "sums_rest.h"

#include <utility>

#include "schedule/product_form.h"

namespace braze::cpu {

Instr memory_instr(InstrKind kind, DType dtype, int param, std::vector<int64_t> strides) {
  Instr in;
  in.kind = kind;
  in.dtype = dtype;
  in.param = param;
  in.strides = std::move(strides);
  return in;
}

Kernel rest_of_sums(const Kernel& kernel, int row_axis, int column_axis, int64_t rows, int64_t columns, int64_t apart) {
  Kernel rest;
  rest.axes = {rows, columns};
  rest.vector_axis = 1;
  rest.params = {{DType::f32, false}};
  std::vector<int> made(kernel.body.size(), -1);
  for (size_t i = 0; i < kernel.body.size(); ++i) {
    if (is_of_factor(kernel.body[i])) continue;
    Instr in = kernel.body[i];
    if (in.kind == InstrKind::Reduce) {
      in = memory_instr(InstrKind::Load, DType::f32, 0, {apart, 1});
    } else {
      for (int& arg : in.args) arg = made[arg];
      if (in.param >= 0) {
        in.strides = {row_axis < 0 ? 0 : in.strides[row_axis], in.strides[column_axis]};
        in.offset = 0;
        in.param = static_cast<int>(rest.params.size());
        rest.params.push_back({in.dtype, in.kind == InstrKind::Store});
      }
    }
    in.row = false;
    made[i] = static_cast<int>(rest.body.size());
    rest.body.push_back(std::move(in));
  }
  return rest;
}

}  // namespace braze::cpu
