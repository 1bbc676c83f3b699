// Convolutions moved to memory whose channels are innermost, where they are faster there even though their weights have
// to be copied at every call; what stands between them follows.
#pragma once

#include <optional>

#include "frontend/capture/functionalise.h"
#include "support/options.h"

namespace braze {

/// Among Options::disabled_passes this name turns it off.
inline constexpr const char* kLayoutPass = "channels_last";

struct LaidOutProgram {
  CapturedProgram program;
  int convolutions = 0;  // moved
};

/// Nothing when no convolution gains.
std::optional<LaidOutProgram> lay_out(const CapturedProgram& program, const Options& options);

}  // namespace braze
