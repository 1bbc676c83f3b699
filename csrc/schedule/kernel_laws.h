// The laws of the Loop IR as one question, so that the verifier and the parser can each report the answer their own
// way.
#pragma once

#include <optional>
#include <string>

#include "schedule/kernel.h"

namespace braze {

struct BrokenLaw {
  int instr = -1;  // position in the body; -1: the header or the params
  std::string message;
};

/// The first law `kernel` breaks, if any. Never reads out of bounds, whatever the kernel holds.
std::optional<BrokenLaw> broken_law(const Kernel& kernel);

}  // namespace braze
