#include "ops/dtype.h"

#include <array>

namespace braze {
namespace {

constexpr std::array kInfo = {
#define DTYPE(name, bytes, kind, torch_name) DTypeInfo{#name, bytes, DTypeKind::kind, torch_name},
#include "ops/dtypes.def"
#undef DTYPE
};

template <typename Match>
std::optional<DType> find(Match match) {
  for (size_t i = 0; i < kInfo.size(); ++i)
    if (match(kInfo[i])) return static_cast<DType>(i);
  return std::nullopt;
}

}  // namespace

const DTypeInfo& info(DType dtype) { return kInfo[static_cast<size_t>(dtype)]; }

std::optional<DType> dtype_from_name(std::string_view name) {
  return find([&](const DTypeInfo& row) { return row.name == name; });
}

std::optional<DType> dtype_from_torch_name(std::string_view name) {
  return find([&](const DTypeInfo& row) { return row.torch_name == name; });
}

}  // namespace braze
