// Captured tensors: recorded once, their metadata read at every call.
#include "frontend/guards/captured_tensors.h"

namespace braze {

bool CapturedTensors::add(const std::string& path, PyObject* tensor, const StateGuards& state, Refusal& refusal) {
  if (!THPVariable_CheckExact(tensor)) {
    refusal = {"tensor_kind", path + " is a " + Py_TYPE(tensor)->tp_name};
    return false;
  }
  if (!specs_.add(THPVariable_Unpack(tensor), refusal, with_autograd_)) {
    refusal.detail = path + " is " + refusal.detail;
    return false;
  }
  tensors_.push_back(PyRef::borrow(tensor));
  paths_.push_back(path);
  offsets_.push_back(THPVariable_Unpack(tensor).storage_offset());
  impls_.push_back(nullptr);
  if (!state.plain_tensors().has(tensor)) unwatched_.push_back(static_cast<uint32_t>(tensors_.size() - 1));
  swaps_ = state.plain_tensors().swaps();
  know(tensors_.size() - 1);
  return true;
}

void CapturedTensors::know(size_t slot) {
  impls_[slot] = impl(slot);
  if (!kinds_.add(impls_[slot])) compared_.push_back(static_cast<uint32_t>(slot));
}

bool CapturedTensors::are_as_compared() const {
  return std::all_of(compared_.begin(), compared_.end(),
                     [this](uint32_t slot) { return is_as_recorded(slot, impls_[slot]); });
}

bool CapturedTensors::look(uint64_t swaps) {
  for (size_t i = 0; i < tensors_.size(); ++i)
    if (!is_as_recorded(i, impl(i))) return false;
  swaps_ = swaps;
  kinds_.clear();
  compared_.clear();
  for (size_t i = 0; i < tensors_.size(); ++i) know(i);
  return true;
}

std::string CapturedTensors::explain() const {
  for (size_t i = 0; i < tensors_.size(); ++i) {
    if (!is_as_recorded(i, impl(i)))
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
  impls_.clear();
  kinds_.clear();
  compared_.clear();
  unwatched_.clear();
}

}  // namespace braze
