// What every elementwise primitive means, on one element; and how an element sits in memory. The reference backend and
// constant folding are built on this, and every code generator is tested against it.
#pragma once

#include <span>

#include "ops/dtype.h"
#include "ops/op.h"
#include "ops/scalar.h"

namespace braze {

/// The value of elementwise `op` with result dtype `dtype` on operands of the dtypes ops.def asks for.
Scalar evaluate(Op op, DType dtype, std::span<const Scalar> operands);

/// `value` converted as torch's `to` converts: floats round to nearest even, integers wrap, b1 is "not zero".
Scalar convert(const Scalar& value, DType dtype);

/// The element at `address`, which need not be aligned.
Scalar load_element(const void* address, DType dtype);
/// Writes `value`, which must be of the dtype of the memory.
void store_element(void* address, const Scalar& value);

}  // namespace braze
