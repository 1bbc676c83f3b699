#include "frontend/capture/refusal.h"

#include <array>

namespace braze {
namespace {

constexpr std::array kInfo = {
#define FALLBACK(name, message, advice) FallbackInfo{#name, message, advice},
#include "frontend/capture/fallback.def"
#undef FALLBACK
};

}  // namespace

const FallbackInfo& info(Fallback reason) { return kInfo[static_cast<size_t>(reason)]; }

}  // namespace braze
