// Tensors of calls on their way between Python lists and the C++ side.
#pragma once

#include <torch/csrc/utils/pybind.h>

#include <vector>

namespace braze {

/// Borrowed from `tensors`.
inline std::vector<at::TensorImpl*> impls_of(const std::vector<at::Tensor>& tensors) {
  std::vector<at::TensorImpl*> impls;
  for (const at::Tensor& tensor : tensors) impls.push_back(tensor.unsafeGetTensorImpl());
  return impls;
}

/// The tensors, with None where one is undefined.
inline pybind11::list list_of(const std::vector<at::Tensor>& tensors) {
  pybind11::list list;
  for (const at::Tensor& tensor : tensors)
    list.append(tensor.defined() ? pybind11::cast(tensor) : pybind11::object(pybind11::none()));
  return list;
}

}  // namespace braze
