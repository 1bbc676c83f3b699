// A writer of the small kernels that run between the products of a larger one, over what it keeps on the stack.
#pragma once

#include <cstdint>
#include <vector>

#include "schedule/kernel.h"

namespace braze::cpu {

/// Strides of a matrix as its rows and columns.
struct MatrixStrides {
  int64_t row = 0, column = 0;
};

/// Kernels over [rows, columns], of f32; where `reduces`, columns are reduced. Values are told by their instruction.
class StepWriter {
 public:
  StepWriter(int64_t rows, int64_t columns, bool reduces);

  int param(bool written);
  int load(int param, MatrixStrides strides, int64_t offset = 0);
  void store(int param, int value, MatrixStrides strides);
  int number(double value);
  int apply(Op op, std::vector<int> args);
  int reduce(Op op, int arg);
  /// The number of the row or column.
  int index(MatrixStrides strides);

  Kernel take();

 private:
  Instr memory(InstrKind kind, int param, MatrixStrides strides) const;
  int append(Instr in);

  Kernel kernel_;
};

}  // namespace braze::cpu
