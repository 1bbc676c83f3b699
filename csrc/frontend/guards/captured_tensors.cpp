// Captured tensors: recorded once, their metadata read at every call.
#include "frontend/guards/captured_tensors.h"

#include <algorithm>

#if defined(__x86_64__)
#define WIDE_VECTORS [[gnu::target_clones("avx2", "default")]]
#else
#define WIDE_VECTORS
#endif

namespace braze {

WIDE_VECTORS bool CapturedTensors::hold() {
  for (Known& known : known_)
    if (__builtin_expect(!is_as_known(known), 0) && !look(known)) return false;
  return true;
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
  const auto slot = static_cast<uint32_t>(tensors_.size());
  tensors_.push_back(PyRef::borrow(tensor));
  paths_.push_back(path);
  impls_.push_back(nullptr);
  offsets_.push_back(THPVariable_Unpack(tensor).storage_offset());
  known_.push_back({tensor, nullptr, nullptr, slot, kUnknown, 0, false});
  return look(known_.back());
}

bool CapturedTensors::look(Known& known) {
  at::TensorImpl* tensor = impl(known.slot);
  if (!is_as_recorded(known.slot, tensor)) return false;
  known.impl = impls_[known.slot] = tensor;
  known.words = remember(tensor);
  if (known.words == kUnknown) return true;
  known.meta = TensorWords::autograd_meta(tensor);
  known.is_parameter = known.meta != nullptr && is_parameter(*known.meta);
  known.autograd_flags = known.meta == nullptr ? 0 : TensorSpecs::autograd_flags(*known.meta);
  return true;
}

uint16_t CapturedTensors::remember(const at::TensorImpl* tensor) {
  if (!TensorWords::are_understood() || !TensorWords::are_inside(tensor)) return kUnknown;
  const TensorWords::Words words = TensorWords::of(tensor);
  const auto at = static_cast<size_t>(std::find(words_.begin(), words_.end(), words) - words_.begin());
  if (at == words_.size()) {
    if (at == kMostWords) return kUnknown;
    words_.push_back(words);
  }
  return static_cast<uint16_t>(at);
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
  known_.clear();
}

}  // namespace braze
