// The integers of a plan that sizes can change, outside its kernels, in one fixed order.
#pragma once

#include <variant>
#include <vector>

#include "schedule/plan.h"

namespace braze {

enum class PlanInteger : uint8_t {
  Size,   // of a dim
  Count,  // of elements or bytes
  Place,  // a stride or an offset
  Other   // an argument of a library call, which may mean anything
};

/// Calls visit(integer, kind) for each; `plan` may be const.
template <typename AnyPlan, typename Visit>
void visit_integers(AnyPlan& plan, const Visit& visit) {
  auto visit_geometry = [&](auto& geometry) {
    visit(geometry.offset, PlanInteger::Place);
    for (auto& size : geometry.sizes) visit(size, PlanInteger::Size);
    for (auto& stride : geometry.strides) visit(stride, PlanInteger::Place);
  };
  for (auto& input : plan.inputs) visit(input.length, PlanInteger::Count);
  for (auto& output : plan.outputs) {
    visit(output.length, PlanInteger::Count);
    visit_geometry(output.shape);
  }
  for (auto& buffer : plan.arena) visit(buffer.bytes, PlanInteger::Count);
  for (auto& any_step : plan.steps) {
    auto* step = std::get_if<ExternStep>(&any_step);
    if (!step) continue;
    for (auto& arg : step->call.args) {
      if (auto* integer = std::get_if<int64_t>(&arg)) visit(*integer, PlanInteger::Other);
      if (auto* integers = std::get_if<std::vector<int64_t>>(&arg))
        for (auto& integer : *integers) visit(integer, PlanInteger::Other);
    }
    for (auto& operand : step->operands) visit_geometry(operand.geometry);
    for (auto& result : step->results) visit_geometry(result.geometry);
  }
}

}  // namespace braze
