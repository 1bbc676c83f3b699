// Where operators do on meta tensors otherwise than on the CPU tensors these stand for.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

namespace braze {

/// The composite attention operator, which picks its kernel by device.
bool is_attention(const c10::OperatorHandle& op);
/// Runs the fused kernel of the CPU for the arguments of the attention operator. False when they are not for it.
bool run_fused_attention(torch::jit::Stack& stack);

/// Gives results on meta tensors the sizes that the CPU kernel gives them.
void correct_meta_results(const c10::OperatorHandle& op, bool trains, torch::jit::Stack& stack);
/// Whether the arguments on the stack are those of a batch norm that trains.
bool trains(const c10::OperatorHandle& op, const torch::jit::Stack& stack);

}  // namespace braze
