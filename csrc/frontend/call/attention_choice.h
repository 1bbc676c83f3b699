// Whether attention is better off in a kernel of ours or with PyTorch's: each shape is run both ways once, and the
// answer is kept in memory and on disk.
#pragma once

#include "passes/own_attention.h"
#include "support/options.h"

namespace braze {

/// What the options ask for (as for products); null where all attention is PyTorch's. May be asked with or without the
/// GIL.
PrefersOwnAttention attention_choice(const Options& options);

}  // namespace braze
