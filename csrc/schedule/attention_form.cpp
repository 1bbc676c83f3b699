// Reads the form off a kernel's strides.
#include "schedule/attention_form.h"

#include <algorithm>

namespace braze {
namespace {

constexpr int64_t kMostRows = 128;  // of a block
constexpr int64_t kTileRows = 6;    // blocks are whole tiles but for the last

bool is_attend(const Instr& in) {
  return in.kind == InstrKind::Reduce && (in.op == Op::attend_ || in.op == Op::attend_causal_);
}

}  // namespace

int64_t AttentionForm::block() const {
  if (rows <= kMostRows) return rows;
  const int64_t blocks = (rows + kMostRows - 1) / kMostRows, even = (rows + blocks - 1) / blocks;
  return (even + kTileRows - 1) / kTileRows * kTileRows;
}

std::optional<AttentionForm> attention_form(const Kernel& kernel) {
  const auto attend = std::find_if(kernel.body.begin(), kernel.body.end(), is_attend);
  if (attend == kernel.body.end() || kernel.is_parametric() || kernel.reduce_axes != 2 || kernel.parallel_axes() == 0 ||
      attend->args.size() != 5 || attend->dtype != DType::f32)
    return std::nullopt;
  AttentionForm form;
  form.attend = static_cast<int>(attend - kernel.body.begin());
  form.query = attend->args[0], form.key = attend->args[1], form.value = attend->args[2];
  form.mask = attend->args[3], form.scale = attend->args[4];
  form.causal = attend->op == Op::attend_causal_;
  auto is = [&](int i, InstrKind kind) { return kernel.body[i].kind == kind && kernel.body[i].dtype == DType::f32; };
  for (int i : {form.query, form.key, form.value})
    if (!is(i, InstrKind::Load)) return std::nullopt;
  if (!is(form.mask, InstrKind::Load) && !is(form.mask, InstrKind::Constant)) return std::nullopt;
  if (!is(form.scale, InstrKind::Constant)) return std::nullopt;
  for (int i = 0; i < static_cast<int>(kernel.body.size()); ++i) {
    const bool known = i == form.attend || std::find(attend->args.begin(), attend->args.end(), i) != attend->args.end();
    if (known) continue;
    const Instr& in = kernel.body[i];
    if (in.kind != InstrKind::Store || in.args.size() != 1 || in.args[0] != form.attend || form.store >= 0)
      return std::nullopt;
    form.store = i;
  }
  if (form.store < 0) return std::nullopt;

  auto moves = [&](int instr, int axis) {
    return kernel.body[instr].kind == InstrKind::Load && kernel.body[instr].strides[axis] != 0;
  };
  auto moved_by = [&](int axis, bool query, bool key, bool value) {
    return moves(form.query, axis) == query && moves(form.key, axis) == key && moves(form.value, axis) == value;
  };
  const int keys = kernel.parallel_axes(), last = keys - 1;
  if (!moved_by(keys, false, true, true) || !moved_by(keys + 1, true, true, false)) return std::nullopt;
  if (!moved_by(last, false, false, true) || moves(form.mask, last) || moves(form.mask, keys + 1)) return std::nullopt;
  form.column_axis = last;
  if (last > 0 && moved_by(last - 1, true, false, false)) form.row_axis = last - 1;
  if (form.causal && form.row_axis < 0) return std::nullopt;
  form.columns = kernel.axes[last];
  form.rows = form.row_axis < 0 ? 1 : kernel.axes[form.row_axis];
  form.keys = kernel.axes[keys], form.depth = kernel.axes[keys + 1];
  for (int a = 0; a < (form.row_axis < 0 ? last : form.row_axis); ++a) form.outer *= kernel.axes[a];
  return form;
}

}  // namespace braze
