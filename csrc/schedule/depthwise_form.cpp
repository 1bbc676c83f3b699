// Reads the form off a kernel's strides.
#include "schedule/depthwise_form.h"

#include <algorithm>

#include "schedule/product_form.h"

namespace braze {
namespace {

constexpr int64_t kLargestWindow = 49;   // all of it is written out
constexpr int64_t kMostChannels = 8192;  // the sums of a few rows are on the stack

}  // namespace

std::optional<DepthwiseForm> depthwise_form(const Kernel& kernel) {
  if (kernel.is_parametric() || kernel.reduce_axes == 0 || kernel.parallel_axes() == 0) return std::nullopt;
  if (kernel.reduce_points() > kLargestWindow) return std::nullopt;
  DepthwiseForm form;
  const auto dot = std::find_if(kernel.body.begin(), kernel.body.end(),
                                [](const Instr& in) { return in.kind == InstrKind::Reduce && in.op == Op::dot_; });
  if (dot == kernel.body.end() || dot->dtype != DType::f32) return std::nullopt;
  form.dot = static_cast<int>(dot - kernel.body.begin());
  form.left = dot->args[0], form.right = dot->args[1];
  form.channel_axis = kernel.parallel_axes() - 1;
  form.channels = kernel.axes[form.channel_axis];
  if (form.channels > kMostChannels) return std::nullopt;
  auto moves_elsewhere = [&](int instr) {
    return std::any_of(kernel.body[instr].strides.begin(), kernel.body[instr].strides.begin() + form.channel_axis,
                       [](int64_t stride) { return stride != 0; });
  };
  for (int factor : {form.left, form.right}) {
    const Instr& in = kernel.body[factor];
    if (in.kind != InstrKind::Load || in.dtype != DType::f32 || in.strides[form.channel_axis] != 1) return std::nullopt;
  }
  if (moves_elsewhere(form.right)) {
    if (moves_elsewhere(form.left)) return std::nullopt;
    std::swap(form.left, form.right);
  }
  for (int i = 0; i < static_cast<int>(kernel.body.size()); ++i)
    if (i != form.dot && i != form.left && i != form.right && !belongs_to_result(kernel.body[i])) return std::nullopt;
  if (form.channel_axis > 0) {
    form.row_axis = form.channel_axis - 1;
    form.rows = kernel.axes[form.row_axis];
  }
  for (int a = 0; a < form.row_axis; ++a) form.outer *= kernel.axes[a];
  return form;
}

}  // namespace braze
