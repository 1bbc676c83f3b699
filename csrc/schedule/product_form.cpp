// Reads the form off a kernel's strides.
#include "schedule/product_form.h"

#include <algorithm>

namespace braze {
namespace {

/// The load behind an argument of the dot; -1 when it is computed.
int load_of(const Kernel& kernel, int arg) {
  const Instr& in = kernel.body[arg];
  if (in.kind == InstrKind::Load) return arg;
  const bool widens = in.kind == InstrKind::Elementwise && in.op == Op::cast_ && !in.row;
  if (!widens || kernel.body[in.args[0]].kind != InstrKind::Load) return -1;
  return info(kernel.body[in.args[0]].dtype).kind == DTypeKind::Half ? in.args[0] : -1;
}

/// Whether the reduce axes are one to this load.
bool moves_evenly(const Kernel& kernel, const Instr& load) {
  for (size_t a = kernel.parallel_axes(); a + 1 < kernel.axes.size(); ++a)
    if (load.strides[a] != load.strides[a + 1] * kernel.axes[a + 1]) return false;
  return true;
}

}  // namespace

bool is_of_factor(const Instr& in) {
  return !in.row && (in.kind == InstrKind::Load || in.kind == InstrKind::Elementwise);
}

bool belongs_to_result(const Instr& in) {
  switch (in.kind) {
    case InstrKind::Constant: return true;
    case InstrKind::Load:
    case InstrKind::Elementwise:
    case InstrKind::Store: return in.row;
    case InstrKind::Gather:
    case InstrKind::Index:
    case InstrKind::Reduce: return false;
  }
  return false;
}

std::optional<ProductForm> product_form(const Kernel& kernel) {
  if (kernel.is_parametric() || kernel.reduce_axes == 0 || kernel.parallel_axes() == 0) return std::nullopt;
  ProductForm form;
  const auto dot = std::find_if(kernel.body.begin(), kernel.body.end(),
                                [](const Instr& in) { return in.kind == InstrKind::Reduce && in.op == Op::dot_; });
  if (dot == kernel.body.end() || dot->dtype != DType::f32) return std::nullopt;
  form.dot = static_cast<int>(dot - kernel.body.begin());
  form.left = load_of(kernel, dot->args[0]), form.right = load_of(kernel, dot->args[1]);
  if (form.left < 0 || form.right < 0) return std::nullopt;
  for (int i = 0; i < static_cast<int>(kernel.body.size()); ++i) {
    const Instr& in = kernel.body[i];
    const bool known = i == form.dot || i == form.left || i == form.right || i == dot->args[0] || i == dot->args[1];
    if (!known && !belongs_to_result(in)) return std::nullopt;
  }

  auto moves = [&](int instr, int axis) { return kernel.body[instr].strides[axis] != 0; };
  auto only = [&](int instr, int other, int axis) { return moves(instr, axis) && !moves(other, axis); };
  const int last = kernel.parallel_axes() - 1;
  auto set_axes = [&](int columns, int rows) {
    form.column_axis = columns, form.row_axis = rows;
    form.columns = kernel.axes[columns];
    form.rows = rows < 0 ? 1 : kernel.axes[rows];
  };
  auto has_rows = [&](int left, int right) {
    return last > 0 && only(left, right, last) && only(right, left, last - 1);
  };
  const bool rows_of_left = has_rows(form.left, form.right), rows_of_right = has_rows(form.right, form.left);
  if (!rows_of_left && !rows_of_right && !only(form.right, form.left, last) && !only(form.left, form.right, last))
    return std::nullopt;
  if (rows_of_right || (!rows_of_left && !only(form.right, form.left, last))) std::swap(form.left, form.right);
  if (rows_of_left || rows_of_right)
    set_axes(last - 1, last);
  else
    set_axes(last, -1);
  if (!moves_evenly(kernel, kernel.body[form.right])) return std::nullopt;
  const int before = form.column_axis - 1;
  const bool has_blocks = before >= 0 && only(form.right, form.left, before) && form.columns == kPanelColumns;
  const int line = has_blocks ? before - 1 : before;
  const bool has_lines = line >= 0 && form.row_axis >= 0 && only(form.left, form.right, line);
  form.lined = kernel.reduce_axes > 1 || (has_lines && kernel.body[form.right].strides.back() != 1);
  if (form.lined && has_blocks) {
    form.block_axis = before;
    form.columns *= kernel.axes[before];
  }
  if (form.lined && has_lines) {
    form.line_axis = line;
    form.lines = kernel.axes[line];
  }
  for (int a = 0; a < form.column_axis; ++a)
    if (a != form.line_axis && a != form.block_axis) form.outer *= kernel.axes[a];
  form.depth = kernel.reduce_points();
  return form;
}

}  // namespace braze
