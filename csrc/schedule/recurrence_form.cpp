// Reads the form off a kernel's strides: each axis is told by the loads that move along it.
#include "schedule/recurrence_form.h"

#include <algorithm>

namespace braze {
namespace {

constexpr int64_t kMostTileRows = 6;

class Reading {
 public:
  explicit Reading(const Kernel& kernel) : kernel_(kernel) {}

  std::optional<RecurrenceForm> run() {
    if (kernel_.is_parametric() || kernel_.reduce_axes != 2 || !instructions() || !axes() || !addresses())
      return std::nullopt;
    return form_;
  }

 private:
  bool instructions() {
    const auto at = std::find_if(kernel_.body.begin(), kernel_.body.end(),
                                 [](const Instr& in) { return in.kind == InstrKind::Reduce && is_recurrence(in.op); });
    if (at == kernel_.body.end() || at->args.size() != 4 || at->dtype != DType::f32) return false;
    form_.op = at->op;
    form_.backward = info(at->op).has(Backward);
    form_.given = at->args[0], form_.weight = at->args[1], form_.start = at->args[2], form_.extra = at->args[3];
    const int reduction = static_cast<int>(at - kernel_.body.begin());
    for (int i = 0; i < static_cast<int>(kernel_.body.size()); ++i) {
      const Instr& in = kernel_.body[i];
      if (i == reduction) continue;
      if (std::find(at->args.begin(), at->args.end(), i) != at->args.end()) {
        if (in.kind != InstrKind::Load || in.dtype != DType::f32) return false;
        continue;
      }
      if (in.kind != InstrKind::Store || in.args.size() != 1 || in.args[0] != reduction || form_.store >= 0)
        return false;
      form_.store = i;
    }
    return form_.store >= 0;
  }

  int64_t stride(int instr, int axis) const { return axis < 0 ? 0 : kernel_.body[instr].strides[axis]; }
  bool moves(int instr, int axis) const { return stride(instr, axis) != 0; }

  /// Gives an axis its role; false when another has it.
  bool take(int& role, int64_t& extent, int axis) const {
    if (role >= 0) return false;
    role = axis;
    extent = kernel_.axes[axis];
    return true;
  }

  bool axes() {
    for (int axis = 0; axis < kernel_.parallel_axes(); ++axis) {
      const bool row = moves(form_.start, axis), unit = moves(form_.weight, axis), given = moves(form_.given, axis);
      bool fits = false;
      if (row)
        fits = axis == 0 && !unit && given && take(form_.row_axis, form_.rows, axis);
      else if (unit)
        fits = given && unit_axis(axis);
      else if (given)
        fits = take(form_.step_axis, form_.steps, axis);
      else
        fits = take(form_.state_axis, form_.states, axis);
      if (!fits) return false;
    }
    for (int axis = kernel_.parallel_axes(); axis < static_cast<int>(kernel_.axes.size()); ++axis) {
      const bool fits = moves(form_.given, axis) ? take(form_.gate_axis, form_.gates, axis)
                                                 : take(form_.depth_axis, form_.depth, axis);
      if (!fits) return false;
    }
    const bool lstm = form_.op == Op::lstm_ || form_.op == Op::lstm_back_;
    return form_.unit_axis >= 0 && form_.depth_axis >= 0 && form_.blocks * form_.units == form_.depth &&
           form_.gates == (lstm ? 4 : 3) && form_.states == (lstm ? 2 : 1);
  }

  /// Blocks are outside of their units.
  bool unit_axis(int axis) {
    if (form_.unit_axis >= 0) {
      if (form_.block_axis >= 0) return false;
      form_.block_axis = form_.unit_axis;
      form_.blocks = form_.units;
      form_.unit_axis = -1;
    }
    return take(form_.unit_axis, form_.units, axis);
  }

  /// The strides by which a step's states are reached from those of the step before, and the weights' layout.
  bool addresses() {
    const auto& weight = form_.weight;
    form_.packed = form_.units == kUnitsOfPanel && stride(weight, form_.unit_axis) == 1 &&
                   stride(weight, form_.gate_axis) == form_.units &&
                   stride(weight, form_.depth_axis) == form_.units * form_.gates;
    if (!form_.packed && (stride(weight, form_.depth_axis) != 1 || form_.block_axis >= 0)) return false;
    auto runs_by_units = [&](int instr) {
      return stride(instr, form_.unit_axis) == 1 &&
             (form_.block_axis < 0 || stride(instr, form_.block_axis) == form_.units);
    };
    const int64_t apart = stride(form_.store, form_.row_axis);
    const bool cells = form_.states == 2;
    return runs_by_units(form_.given) && runs_by_units(form_.store) && runs_by_units(form_.extra) &&
           stride(form_.start, form_.depth_axis) == 1 && stride(form_.start, form_.row_axis) == apart &&
           stride(form_.extra, form_.row_axis) == (cells ? apart : 0) && only_moves();
  }

  /// No load moves along an axis that means nothing to it.
  bool only_moves() const {
    auto still = [&](int instr, std::initializer_list<int> axes) {
      return std::none_of(axes.begin(), axes.end(), [&](int axis) { return moves(instr, axis); });
    };
    return still(form_.given, {form_.depth_axis}) && still(form_.weight, {form_.row_axis}) &&
           still(form_.start, {form_.gate_axis}) &&
           still(form_.extra, {form_.step_axis, form_.state_axis, form_.gate_axis, form_.depth_axis});
  }

  const Kernel& kernel_;
  RecurrenceForm form_;
};

}  // namespace

int64_t RecurrenceForm::tile_rows() const {
  const int64_t tiles = (rows + kMostTileRows - 1) / kMostTileRows;
  return (rows + tiles - 1) / tiles;
}

std::optional<RecurrenceForm> recurrence_form(const Kernel& kernel) { return Reading(kernel).run(); }

}  // namespace braze
