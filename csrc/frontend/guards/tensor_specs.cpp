// Recording and printing of tensor specs; the check itself is in the header.
#include "frontend/guards/tensor_specs.h"

#include <c10/util/StringUtil.h>

#include <algorithm>

namespace braze {

bool TensorSpecs::add(const at::Tensor& tensor, Refusal& refusal, bool with_autograd) {
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
  if (flags_of(impl, true) & ForwardGrad) return refuse("a dual tensor of forward-mode AD");
  specs_.push_back({impl->key_set().raw_repr(), impl->dtype(), impl->device(), flags_of(impl, with_autograd),
                    static_cast<int32_t>(impl->dim()), static_cast<uint32_t>(geometry_.size())});
  geometry_.insert(geometry_.end(), impl->sizes().begin(), impl->sizes().end());
  geometry_.insert(geometry_.end(), impl->strides().begin(), impl->strides().end());
  return true;
}

uint32_t TensorSpecs::symbol_of(int64_t first, int64_t second, std::vector<Symbol>& symbols) {
  auto at = std::find(symbols.begin(), symbols.end(), Symbol{first, second});
  if (at == symbols.end()) at = symbols.insert(at, {first, second});
  return static_cast<uint32_t>(at - symbols.begin());
}

bool TensorSpecs::generalise(const TensorSpecs& a, const TensorSpecs& b, TensorSpecs& result,
                             std::vector<Symbol>& symbols) {
  if (a.size() != b.size()) return false;
  result = b;
  for (uint32_t t = 0; t < a.specs_.size(); ++t) {
    const Spec &x = a.specs_[t], &y = b.specs_[t];
    if (x.keys != y.keys || x.dtype != y.dtype || x.device != y.device || x.flags != y.flags || x.dims != y.dims)
      return false;
    const int64_t *first = a.geometry_.data() + x.geometry, *second = b.geometry_.data() + y.geometry;
    int64_t* both = result.geometry_.data() + y.geometry;
    for (int32_t i = 0; i < x.dims; ++i) {
      if (first[i] == second[i]) continue;
      if (!may_vary(first[i], second[i])) return false;
      both[i] = -1 - static_cast<int64_t>(symbol_of(first[i], second[i], symbols));
    }
    const int64_t *first_strides = first + x.dims, *second_strides = second + x.dims;
    for (int32_t i = 0; i < x.dims; ++i) {
      if (first_strides[i] == second_strides[i]) continue;
      int32_t inner = 0;
      while (inner < x.dims && (inner == i || first_strides[i] != first[inner] * first_strides[inner] ||
                                second_strides[i] != second[inner] * second_strides[inner]))
        ++inner;
      if (inner == x.dims) return false;
      both[x.dims + i] = -1 - static_cast<int64_t>(inner);
    }
  }
  return true;
}

bool TensorSpecs::same_as(const TensorSpecs& other) const {
  return specs_ == other.specs_ && geometry_ == other.geometry_;
}

std::vector<int64_t> TensorSpecs::geometry_at(size_t index, const std::vector<int64_t>& symbols) const {
  const Spec& spec = specs_[index];
  auto start = geometry_.begin() + spec.geometry;
  std::vector<int64_t> geometry(start, start + 2 * spec.dims);
  for (int32_t i = 0; i < spec.dims; ++i)
    if (geometry[i] < 0) geometry[i] = symbols.at(-1 - geometry[i]);
  // A stride may follow from another that follows in turn: as many rounds as there are dims settle all.
  for (int32_t round = 0; round < spec.dims; ++round)
    for (int32_t i = spec.dims; i < 2 * spec.dims; ++i)
      if (geometry[i] < 0)
        if (int64_t inner = -1 - geometry[i]; geometry[spec.dims + inner] >= 0)
          geometry[i] = geometry[inner] * geometry[spec.dims + inner];
  return geometry;
}

std::string TensorSpecs::describe(size_t index) const {
  const Spec& spec = specs_[index];
  const int64_t* geometry = geometry_.data() + spec.geometry;
  auto listed = [&](int32_t from) {
    std::string text = "[";
    for (int32_t i = from; i < from + spec.dims; ++i) {
      text += i > from ? ", " : "";
      if (geometry[i] >= 0)
        text += std::to_string(geometry[i]);
      else
        text += from == 0 ? "s" + std::to_string(-1 - geometry[i]) : "dense";
    }
    return text + "]";
  };
  return c10::str(spec.dtype, listed(0), " strides ", listed(spec.dims), " on ", spec.device,
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
