// Which PyTorch operators can write their result where we want it.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>

#include <optional>

#include "graph/graph.h"

namespace braze {

/// The operator of a call; raises an Internal error when this PyTorch has none of that name.
c10::OperatorHandle find_operator(const ExternCall& call);

/// The out= twin of a functional operator that has a CPU kernel of its own (not one that computes and copies): its
/// arguments are the functional one's, then one written tensor a result.
std::optional<c10::OperatorHandle> find_out_variant(const ExternCall& call);

/// What the scheduler asks of an operator: whether its result may go where the memory plan wants it.
inline bool has_out_variant(const ExternCall& call) { return find_out_variant(call).has_value(); }

}  // namespace braze
