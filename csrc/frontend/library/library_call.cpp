#include "frontend/library/library_call.h"

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include "support/error.h"

namespace braze {

bool library_has(const std::string& op) {
  auto found = c10::Dispatcher::singleton().findSchema({op, ""});
  return found && found->hasKernelForDispatchKey(c10::DispatchKey::CPU);
}

void call_library(const std::string& op, std::vector<c10::IValue>& stack, const std::string& overload) {
  at::AutoDispatchBelowADInplaceOrView below_autograd;
  auto found = c10::Dispatcher::singleton().findSchema({op, overload});
  check_internal(found.has_value(), "PyTorch has no operator " + op);
  found->callBoxed(&stack);
}

void drop_operand(Node& node, int operand) {
  node.operands.erase(node.operands.begin() + operand);
  for (ExternArg& arg : node.call.args) {
    if (auto* tensor = std::get_if<TensorArg>(&arg)) {
      if (tensor->operand > operand) --tensor->operand;
    } else if (auto* list = std::get_if<TensorListArg>(&arg)) {
      for (int& item : list->operands)
        if (item > operand) --item;
    }
  }
}

}  // namespace braze
