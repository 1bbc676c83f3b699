#include "frontend/capture/absence.h"

namespace braze {

bool is_absent(const at::TensorImpl* tensor, Absence what) {
  if (what == Absence::Gradient) return !tensor->grad().defined();
  at::Tensor owned(
      c10::intrusive_ptr<at::TensorImpl, at::UndefinedTensorImpl>::reclaim_copy(const_cast<at::TensorImpl*>(tensor)));
  return what == Absence::Base ? !owned.is_view() : !owned.retains_grad();
}

}  // namespace braze
