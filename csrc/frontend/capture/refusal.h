// Why a call cannot be captured, as a value: a row of fallback.def and the particulars.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace braze {

enum class Fallback : uint8_t {
#define FALLBACK(name, message, advice) name,
#include "frontend/capture/fallback.def"
#undef FALLBACK
};

struct FallbackInfo {
  std::string_view name;
  std::string_view message;
  std::string_view advice;  // what to change
};

const FallbackInfo& info(Fallback reason);

/// `reason` is the name of a row of fallback.def (null: no refusal); `detail` names the object or the call.
struct Refusal {
  const char* reason = nullptr;
  std::string detail;

  explicit operator bool() const { return reason != nullptr; }
};

inline Refusal refusal_of(Fallback reason, std::string detail) { return {info(reason).name.data(), std::move(detail)}; }

}  // namespace braze
