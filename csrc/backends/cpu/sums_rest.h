// What a kernel does to the sums of its product, once they have been made by other means.
#pragma once

#include "schedule/kernel.h"

namespace braze::cpu {

/// A load or store of a param.
Instr memory_instr(InstrKind kind, DType dtype, int param, std::vector<int64_t> strides);

/// The instructions behind the dot as a kernel over [rows, columns], which are points of these axes (-1: it does not
/// move along one). Param 0 has the sums, with rows `apart` elements from one another. Each access has a param of its
/// own, in the order of the instructions, because each begins somewhere else.
Kernel rest_of_sums(const Kernel& kernel, int row_axis, int column_axis, int64_t rows, int64_t columns, int64_t apart);

}  // namespace braze::cpu
