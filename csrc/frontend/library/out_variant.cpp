#include "frontend/library/out_variant.h"

#include <unordered_set>

#include "support/error.h"

namespace braze {
namespace {

bool is_written(const c10::Argument& argument) { return argument.alias_info() && argument.alias_info()->isWrite(); }

/// Same arguments in the same order, then as many written tensors as the functional operator returns.
bool is_twin(const c10::FunctionSchema& functional, const c10::FunctionSchema& out) {
  size_t count = functional.arguments().size(), results = functional.returns().size();
  if (out.arguments().size() != count + results) return false;
  for (size_t i = 0; i < count; ++i) {
    const auto &a = functional.arguments()[i], &b = out.arguments()[i];
    if (a.name() != b.name() || *a.type() != *b.type() || is_written(a) || is_written(b)) return false;
  }
  for (size_t i = 0; i < results; ++i)
    if (!is_written(out.arguments()[count + i]) || out.arguments()[count + i].type()->kind() != c10::TensorType::Kind ||
        functional.returns()[i].type()->kind() != c10::TensorType::Kind)
      return false;
  return true;
}

/// Operators whose out= kernel writes the result where it is and nothing else. Others may resize it on the way or
/// compute and copy.
bool writes_in_place(const std::string& op) {
  static const std::unordered_set<std::string> names = {"aten::mm", "aten::addmm", "aten::bmm",   "aten::baddbmm",
                                                        "aten::mv", "aten::addmv", "aten::addbmm"};
  return names.count(op) > 0;
}

}  // namespace

c10::OperatorHandle find_operator(const ExternCall& call) {
  auto found = c10::Dispatcher::singleton().findSchema({call.op, call.overload});
  check_internal(found.has_value(), "PyTorch has no operator " + call.op + "." + call.overload);
  return *found;
}

std::optional<c10::OperatorHandle> find_out_variant(const ExternCall& call) {
  if (!call.mutates.empty() || !writes_in_place(call.op)) return std::nullopt;
  auto functional = c10::Dispatcher::singleton().findSchema({call.op, call.overload});
  if (!functional) return std::nullopt;
  for (const std::string& overload :
       {std::string("out"), call.overload + "_out", call.overload + "_" + call.overload + "_out"}) {
    auto out = c10::Dispatcher::singleton().findSchema({call.op, overload});
    if (out && is_twin(functional->schema(), out->schema()) && out->hasKernelForDispatchKey(c10::DispatchKey::CPU))
      return out;
  }
  return std::nullopt;
}

}  // namespace braze
