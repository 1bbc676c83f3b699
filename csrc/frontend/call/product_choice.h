// Whether a product of matrices is better off in a kernel of ours or with PyTorch's library: each shape is run both
// ways once, and the answer is kept in memory and on disk.
#pragma once

#include <optional>

#include "passes/own_products.h"
#include "support/options.h"

namespace braze {

/// What the options ask for; null where all products are the library's. May be asked with or without the GIL.
PrefersOwn product_choice(const Options& options);

/// The seconds a kernel of ours takes where its weight is in the cache; nothing when it cannot be run or the options
/// leave products to the library.
std::optional<double> seconds_of_own(const ProductCall& product, const Options& options);

}  // namespace braze
