#include "step_kernel.h"

#include <utility>

namespace braze::cpu {

StepWriter::StepWriter(int64_t rows, int64_t columns, bool reduces) {
  kernel_.axes = {rows, columns};
  kernel_.reduce_axes = reduces;
  kernel_.vector_axis = 1;
}

int StepWriter::param(bool written) {
  kernel_.params.push_back({DType::f32, written});
  return static_cast<int>(kernel_.params.size()) - 1;
}

int StepWriter::load(int param, MatrixStrides strides, int64_t offset) {
  Instr in = memory(InstrKind::Load, param, strides);
  in.offset = offset;
  return append(std::move(in));
}

void StepWriter::store(int param, int value, MatrixStrides strides) {
  Instr in = memory(InstrKind::Store, param, strides);
  in.args = {value};
  append(std::move(in));
}

int StepWriter::number(double value) {
  Instr in;
  in.kind = InstrKind::Constant;
  in.dtype = DType::f32;
  in.immediate = Scalar::of_double(DType::f32, value);
  return append(std::move(in));
}

int StepWriter::apply(Op op, std::vector<int> args) {
  Instr in;
  in.kind = InstrKind::Elementwise;
  in.op = op;
  in.dtype = info(op).has(Compares) ? DType::b1 : DType::f32;
  bool any_row = false, any_element = false;
  for (int arg : args) {
    any_row |= kernel_.body[arg].row;
    any_element |= !kernel_.body[arg].row && kernel_.body[arg].kind != InstrKind::Constant;
  }
  in.row = any_row && !any_element;
  in.args = std::move(args);
  return append(std::move(in));
}

int StepWriter::reduce(Op op, int arg) {
  Instr in;
  in.kind = InstrKind::Reduce;
  in.op = op;
  in.dtype = DType::f32;
  in.row = true;
  in.args = {arg};
  return append(std::move(in));
}

int StepWriter::index(MatrixStrides strides) {
  Instr in;
  in.kind = InstrKind::Index;
  in.dtype = DType::i64;
  in.strides = {strides.row, strides.column};
  in.row = kernel_.reduce_axes > 0 && strides.column == 0;
  return apply(Op::cast_, {append(std::move(in))});
}

Kernel StepWriter::take() { return std::move(kernel_); }

Instr StepWriter::memory(InstrKind kind, int param, MatrixStrides strides) const {
  Instr in;
  in.kind = kind;
  in.dtype = kernel_.params[param].dtype;
  in.param = param;
  in.strides = {strides.row, strides.column};
  in.row = kernel_.reduce_axes > 0 && strides.column == 0;
  return in;
}

int StepWriter::append(Instr in) {
  kernel_.body.push_back(std::move(in));
  return static_cast<int>(kernel_.body.size()) - 1;
}

}  // namespace braze::cpu
