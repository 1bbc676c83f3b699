#include "frontend/capture/meta_answers.h"

#include <ATen/ops/_scaled_dot_product_flash_attention_for_cpu.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/where.h>

#include <limits>

namespace braze {

bool is_attention(const c10::OperatorHandle& op) { return op.schema().name() == "aten::scaled_dot_product_attention"; }

bool run_fused_attention(torch::jit::Stack& stack) {
  auto args = torch::jit::last(stack, 8).vec();
  if (args[7].toBool()) return false;  // grouped queries
  at::Tensor query = args[0].toTensor();
  auto mask = args[3].toOptional<at::Tensor>();
  if (mask && mask->defined() && mask->scalar_type() == at::kBool) {
    auto options = at::TensorOptions().dtype(query.scalar_type()).device(mask->device());
    mask = at::where(*mask, 0.0, at::scalar_tensor(-std::numeric_limits<double>::infinity(), options));
  }
  at::Tensor result = std::get<0>(
      at::_scaled_dot_product_flash_attention_for_cpu(query, args[1].toTensor(), args[2].toTensor(), args[4].toDouble(),
                                                      args[5].toBool(), mask, args[6].toOptional<double>()));
  torch::jit::drop(stack, 8);
  stack.emplace_back(std::move(result));
  return true;
}

bool trains(const c10::OperatorHandle& op, const torch::jit::Stack& stack) {
  return op.schema().name() != "aten::native_batch_norm" || torch::jit::peek(stack, 5, 8).toBool();
}

void correct_meta_results(const c10::OperatorHandle& op, bool trains, torch::jit::Stack& stack) {
  if (op.schema().name() != "aten::native_batch_norm" || trains) return;
  // The statistics of the batch, which are not computed then.
  for (size_t result : {1, 2}) {
    c10::IValue& statistics = torch::jit::peek(stack, result, 3);
    statistics = at::empty({0}, statistics.toTensor().options());
  }
}

}  // namespace braze
