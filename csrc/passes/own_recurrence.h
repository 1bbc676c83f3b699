// Recurrent layers that kernels of ours compute, where they are faster than PyTorch's.
#pragma once

#include <functional>

#include "passes/recurrent_call.h"

namespace braze {

/// Answers whether a kernel of ours is faster than PyTorch's.
using PrefersOwnRecurrence = std::function<bool(const RecurrentLayer&)>;

/// Makes the calls all of whose layers `prefers` chooses primitives and, for each layer, a product for the inputs of
/// all steps. True when the graph changed.
bool own_recurrence(Graph& graph, const PrefersOwnRecurrence& prefers);

}  // namespace braze
