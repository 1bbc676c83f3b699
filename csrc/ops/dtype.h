// Element types and what they are called; the table is dtypes.def.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace braze {

enum class DType : uint8_t {
#define DTYPE(name, bytes, kind, torch_name) name,
#include "ops/dtypes.def"
#undef DTYPE
};

enum class DTypeKind : uint8_t { Bool, Int, Half, Float, Stored };

struct DTypeInfo {
  std::string_view name;
  int bytes;
  DTypeKind kind;
  std::string_view torch_name;
};

const DTypeInfo& info(DType dtype);
std::optional<DType> dtype_from_name(std::string_view name);
std::optional<DType> dtype_from_torch_name(std::string_view name);

inline bool is_floating(DType d) { return info(d).kind == DTypeKind::Half || info(d).kind == DTypeKind::Float; }
inline bool is_integral(DType d) { return info(d).kind == DTypeKind::Int || info(d).kind == DTypeKind::Bool; }

}  // namespace braze
