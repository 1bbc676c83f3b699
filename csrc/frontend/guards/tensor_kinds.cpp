// The loops over the tensors of a kind.
#include "frontend/guards/tensor_kinds.h"

#include <algorithm>

#if defined(__x86_64__)
#define WIDE_VECTORS [[gnu::target_clones("avx2", "default")]]
#else
#define WIDE_VECTORS
#endif

namespace braze {
namespace {

/// Of a leaf that requires grad; not short-circuited, for the answer is nearly always yes.
bool is_parameter(const torch::autograd::AutogradMeta& meta) {
  return meta.requires_grad_ & !meta.is_view_ & (meta.fw_grad_ == nullptr);
}

}  // namespace

TensorKinds::Autograd TensorKinds::autograd_of(const at::TensorImpl* tensor) const {
  if (!with_autograd_) return Autograd::Any;
  const torch::autograd::AutogradMeta* meta = TensorWords::autograd_meta(tensor);
  if (meta == nullptr) return Autograd::Nothing;
  return is_parameter(*meta) ? Autograd::Parameter : Autograd::Flags;
}

bool TensorKinds::add(const at::TensorImpl* tensor) {
  if (!TensorWords::are_understood() || !TensorWords::are_inside(tensor)) return false;
  const TensorWords::Words words = TensorWords::of(tensor);
  const Autograd autograd = autograd_of(tensor);
  const uint8_t flags =
      autograd == Autograd::Flags ? TensorSpecs::autograd_flags(*TensorWords::autograd_meta(tensor)) : uint8_t{0};
  auto at = std::find_if(kinds_.begin(), kinds_.end(), [&](const Kind& kind) {
    return kind.words == words && kind.autograd == autograd && kind.flags == flags;
  });
  if (at == kinds_.end()) {
    if (kinds_.size() == kMostKinds) return false;
    at = kinds_.insert(at, {words, autograd, flags, {}});
  }
  at->tensors.push_back(tensor);
  return true;
}

/// Inlined into what is compiled for wide vectors.
template <TensorKinds::Autograd autograd>
[[gnu::always_inline]] inline bool TensorKinds::holds(const Kind& kind) {
  TensorWords::Difference difference(kind.words);
  bool is_other = false;
  for (const at::TensorImpl* tensor : kind.tensors) {
    difference.add(tensor);
    if constexpr (autograd == Autograd::Any) continue;
    const torch::autograd::AutogradMeta* meta = TensorWords::autograd_meta(tensor);
    if constexpr (autograd == Autograd::Nothing) {
      is_other |= meta != nullptr;
    } else {
      if (__builtin_expect(meta == nullptr, 0)) return false;
      if constexpr (autograd == Autograd::Parameter)
        is_other |= !is_parameter(*meta);
      else
        is_other |= TensorSpecs::autograd_flags(*meta) != kind.flags;
    }
  }
  return !is_other & !difference.any();
}

WIDE_VECTORS bool TensorKinds::hold() const {
  for (const Kind& kind : kinds_) {
    bool same = false;
    switch (kind.autograd) {
      case Autograd::Any: same = holds<Autograd::Any>(kind); break;
      case Autograd::Nothing: same = holds<Autograd::Nothing>(kind); break;
      case Autograd::Parameter: same = holds<Autograd::Parameter>(kind); break;
      case Autograd::Flags: same = holds<Autograd::Flags>(kind); break;
    }
    if (!same) return false;
  }
  return true;
}

}  // namespace braze
