// The self-test of the layout of tensors.
#include "frontend/guards/tensor_words.h"

#include <ATen/ops/empty.h>

namespace braze {
namespace {

bool is_as_said(const at::Tensor& tensor) {
  const at::TensorImpl* impl = tensor.unsafeGetTensorImpl();
  const TensorWords::Words words = TensorWords::of(impl);
  return TensorWords::are_inside(impl) && words.front() == static_cast<uint64_t>(impl->dim()) &&
         words.back() == impl->key_set().raw_repr() && TensorWords::autograd_meta(impl) == impl->autograd_meta() &&
         TensorWords::are(impl, words);
}

}  // namespace

bool TensorWords::are_understood() {
  static const bool answer = [] {
    const at::Tensor plain = at::empty({3, 5}), wanted = at::empty({3, 5}).set_requires_grad(true);
    const at::Tensor other_type = at::empty({3, 5}, at::kDouble), turned = plain.t();
    const at::Tensor elsewhere = at::empty({3, 5}, at::kMeta), many = at::empty({1, 2, 1, 2, 1, 2});
    at::TensorImpl* number = at::empty({}).unsafeReleaseTensorImpl();
    const auto held = c10::intrusive_ptr<at::TensorImpl, c10::UndefinedTensorImpl>::reclaim(number);
    const Words before = of(number);
    number->set_wrapped_number(true);
    auto differ = [&](const at::Tensor& a) { return !are(a.unsafeGetTensorImpl(), of(plain.unsafeGetTensorImpl())); };
    return is_as_said(plain) && is_as_said(wanted) && wanted.unsafeGetTensorImpl()->autograd_meta() != nullptr &&
           is_as_said(other_type) && is_as_said(turned) && is_as_said(elsewhere) && differ(other_type) &&
           differ(turned) && differ(elsewhere) && !are(number, before) && !are_inside(many.unsafeGetTensorImpl());
  }();
  return answer;
}

}  // namespace braze
