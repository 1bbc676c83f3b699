// Captured tensors: recorded once, their metadata read at every call.
#include "frontend/guards/captured_tensors.h"

#include <torch/csrc/autograd/python_variable.h>

namespace braze {

at::TensorImpl* CapturedTensors::impl(size_t index) const {
  return THPVariable_Unpack(tensors_[index].get()).unsafeGetTensorImpl();
}

bool CapturedTensors::add(const std::string& path, PyObject* tensor, Refusal& refusal) {
  if (!THPVariable_CheckExact(tensor)) {
    refusal = {"tensor_kind", path + " is a " + Py_TYPE(tensor)->tp_name};
    return false;
  }
  if (!specs_.add(THPVariable_Unpack(tensor), refusal)) {
    refusal.detail = path + " is " + refusal.detail;
    return false;
  }
  tensors_.push_back(PyRef::borrow(tensor));
  paths_.push_back(path);
  return true;
}

std::string CapturedTensors::explain() const {
  for (size_t i = 0; i < tensors_.size(); ++i) {
    if (!specs_.check(i, impl(i)))
      return paths_[i] + ": " + specs_.describe(i) + ", now " + TensorSpecs::describe(impl(i));
  }
  return "";
}

std::vector<std::string> CapturedTensors::describe() const {
  std::vector<std::string> lines;
  for (size_t i = 0; i < tensors_.size(); ++i) lines.push_back(paths_[i] + ": " + specs_.describe(i));
  return lines;
}

int CapturedTensors::visit(visitproc visit, void* arg) const {
  for (const PyRef& tensor : tensors_) {
    if (int stop = tensor.visit(visit, arg)) return stop;
  }
  return 0;
}

void CapturedTensors::clear() {
  std::vector<PyRef> dropped = std::move(tensors_);
  tensors_.clear();
}

}  // namespace braze
