#include "passes/decompose/promotion.h"

namespace braze {
namespace {

std::optional<DType> combine(std::optional<DType> higher, std::optional<DType> lower) {
  if (!higher) return lower;
  if (!lower || is_floating(*higher)) return higher;
  if (*higher == DType::b1 || is_floating(*lower)) return promote(*higher, *lower);
  return higher;
}

}  // namespace

std::optional<DType> promote(DType a, DType b) {
  if (info(a).kind == DTypeKind::Stored || info(b).kind == DTypeKind::Stored) return std::nullopt;
  if (a == b) return a;
  if (is_floating(a) != is_floating(b)) return is_floating(a) ? a : b;
  if (is_floating(a)) {
    if (info(a).bytes != info(b).bytes) return info(a).bytes > info(b).bytes ? a : b;
    return DType::f32;  // f16 with bf16
  }
  if (a == DType::b1 || b == DType::b1) return a == DType::b1 ? b : a;
  if (info(a).bytes != info(b).bytes) return info(a).bytes > info(b).bytes ? a : b;
  return DType::i16;  // u8 with i8
}

void Promotion::add(DType dtype, Rank rank) {
  if (info(dtype).kind == DTypeKind::Stored) unsupported_ = true;
  if (unsupported_) return;
  if (rank == Rank::Number && dtype == DType::f64) dtype = DType::f32;  // the default dtype
  auto& slot = by_rank_[static_cast<int>(rank)];
  slot = slot ? promote(*slot, dtype) : dtype;
}

std::optional<DType> Promotion::result() const {
  if (unsupported_) return std::nullopt;
  return combine(by_rank_[0], combine(by_rank_[1], by_rank_[2]));
}

DType opmath(DType dtype) { return info(dtype).kind == DTypeKind::Half ? DType::f32 : dtype; }

}  // namespace braze
