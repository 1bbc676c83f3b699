// Whether a recurrent layer is better off in a kernel of ours or with PyTorch's: each shape is run both ways once, and
// the answer is kept in memory and on disk.
#pragma once

#include "passes/own_recurrence.h"
#include "support/options.h"

namespace braze {

/// What the options ask for (as for products); null where all layers are PyTorch's. May be asked with or without the
/// GIL.
PrefersOwnRecurrence recurrence_choice(const Options& options);

}  // namespace braze
