// Between PyTorch's values and ours: IValue <-> ExternArg, ScalarType <-> DType.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>
#include <ATen/core/jit_type.h>

#include <optional>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace braze {

std::optional<DType> dtype_of(c10::ScalarType type);
c10::ScalarType scalar_type_of(DType dtype);

/// Dtype, shape and device of a tensor, for messages.
std::string describe_tensor(const at::Tensor& tensor);

/// The tensors inside a value: one, a list, or none. Undefined ones stay in the list.
std::vector<at::Tensor> tensors_of(const c10::IValue& value);

/// Writes `value` (an argument of schema type `type`) as an ExternArg. `operands`: where its tensors stand in the
/// node's operands
/// (-1: undefined). False when it is of a kind that cannot be recorded.
bool convert_argument(const c10::IValue& value, const c10::Type& type, const std::vector<int>& operands,
                      ExternArg& result);

/// The inverse, for arguments without tensors.
c10::IValue ivalue_of(const ExternArg& arg, const c10::Type& type);

}  // namespace braze
