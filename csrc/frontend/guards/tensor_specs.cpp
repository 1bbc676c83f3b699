// Recording and printing of tensor specs; the check itself is in the header.
#include "frontend/guards/tensor_specs.h"

#include <c10/util/StringUtil.h>

namespace braze {

bool TensorSpecs::add(const at::Tensor& tensor, Refusal& refusal) {
  const at::TensorImpl* impl = tensor.unsafeGetTensorImpl();
  auto refuse = [&](const char* what) {
    refusal = {"tensor_kind", what};
    return false;
  };
  if (!tensor.defined()) return refuse("an undefined tensor");
  if (impl->layout() != at::kStrided || tensor.is_nested())
    return refuse("a sparse, nested or otherwise not strided tensor");
  if (impl->has_symbolic_sizes_strides()) return refuse("a tensor with symbolic sizes");
  if (impl->is_python_dispatch() || tensor.unsafeGetTensorImpl()->key_set().has_any(c10::DispatchKeySet(
                                        {c10::DispatchKey::FuncTorchBatched, c10::DispatchKey::FuncTorchGradWrapper,
                                         c10::DispatchKey::Functionalize}))) {
    return refuse("a tensor whose operations are intercepted (subclass, vmap, grad or functionalize)");
  }
  if (tensor.is_quantized()) return refuse("a quantized tensor");
  uint8_t flags = flags_of(impl);
  if (flags & ForwardGrad) return refuse("a dual tensor of forward-mode AD");
  specs_.push_back({impl->key_set().raw_repr(), impl->dtype(), impl->device(), flags, static_cast<int32_t>(impl->dim()),
                    static_cast<uint32_t>(geometry_.size())});
  geometry_.insert(geometry_.end(), impl->sizes().begin(), impl->sizes().end());
  geometry_.insert(geometry_.end(), impl->strides().begin(), impl->strides().end());
  return true;
}

std::string TensorSpecs::describe(size_t index) const {
  const Spec& spec = specs_[index];
  const int64_t* geometry = geometry_.data() + spec.geometry;
  return c10::str(spec.dtype, c10::IntArrayRef(geometry, spec.dims), " strides ",
                  c10::IntArrayRef(geometry + spec.dims, spec.dims), " on ", spec.device,
                  spec.flags & RequiresGrad ? (spec.flags & Leaf ? ", leaf requiring grad" : ", requires grad") : "");
}

std::string TensorSpecs::describe(const at::TensorImpl* tensor) {
  TensorSpecs specs;
  Refusal refusal;
  at::Tensor owned(
      c10::intrusive_ptr<at::TensorImpl, at::UndefinedTensorImpl>::reclaim_copy(const_cast<at::TensorImpl*>(tensor)));
  return specs.add(owned, refusal) ? specs.describe(size_t{0}) : refusal.detail;
}

}  // namespace braze
