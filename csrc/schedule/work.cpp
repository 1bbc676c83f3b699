#include "schedule/work.h"

#include <algorithm>
#include <string_view>

#include "schedule/attention_form.h"
#include "schedule/recurrence_form.h"

namespace braze {
namespace {

/// Elements of a buffer that a window of these extents shows.
double shown(const std::vector<int64_t>& extents, const std::vector<int64_t>& strides) {
  double count = 1;
  for (size_t a = 0; a < extents.size() && a < strides.size(); ++a)
    if (strides[a] != 0) count *= static_cast<double>(extents[a]);
  return count;
}

double length_of(const Plan& plan, const BufferRef& buffer, DType dtype) {
  switch (buffer.kind) {
    case BufferRef::Kind::Input: return static_cast<double>(plan.inputs[buffer.index].length);
    case BufferRef::Kind::Output: return static_cast<double>(plan.outputs[buffer.index].length);
    case BufferRef::Kind::Arena:
      return static_cast<double>(plan.arena[buffer.index].bytes) / static_cast<double>(info(dtype).bytes);
    case BufferRef::Kind::Owned: break;
  }
  return 1e300;
}

double flops_of_attention(const Kernel& kernel) {
  const auto form = attention_form(kernel);
  const int64_t scores = form->outer * form->rows * form->keys;
  return 2.0 * static_cast<double>(scores) * static_cast<double>(form->depth + form->columns);
}

double flops_of_reduction(const Kernel& kernel, Op op, double points) {
  if (op == Op::dot_) return 2 * points;
  if (is_attention(op)) return flops_of_attention(kernel);
  if (is_recurrence(op)) return 2 * points / static_cast<double>(recurrence_form(kernel)->states);
  return points;
}

Work of_kernel(const Plan& plan, const KernelStep& step) {
  const Kernel& kernel = plan.kernels[step.kernel];
  Work work;
  if (kernel.is_parametric()) return work;
  const double rows = static_cast<double>(kernel.parallel_points());
  const double points = rows * static_cast<double>(kernel.reduce_points());
  std::vector<double> touched(kernel.params.size(), 0);
  for (const Instr& instr : kernel.body) {
    const double times = instr.row && instr.kind != InstrKind::Reduce ? rows : points;
    if (instr.param >= 0)
      touched[instr.param] += instr.kind == InstrKind::Gather ? times : shown(kernel.axes, instr.strides);
    const bool computes = instr.kind == InstrKind::Reduce || instr.kind == InstrKind::Elementwise;
    if (computes && is_floating(instr.dtype) && instr.op != Op::cast_ && instr.op != Op::where_)
      work.flops += flops_of_reduction(kernel, instr.op, times);
  }
  for (size_t p = 0; p < touched.size(); ++p) {
    const DType dtype = kernel.params[p].dtype;
    const double length = length_of(plan, step.params[p], dtype);
    work.bytes += std::min(touched[p], length) * static_cast<double>(info(dtype).bytes);
  }
  return work;
}

/// Multiplications and additions of a matrix product, a convolution or attention; 0 for other operators, and where the
/// weight is packed.
double flops_of(const ExternStep& step) {
  std::string_view op = step.call.op;
  op.remove_prefix(std::min(op.size(), op.find("::") == op.npos ? 0 : op.find("::") + 2));
  if (step.results.empty()) return 0;
  const double made = static_cast<double>(step.results[0].geometry.numel());
  auto sizes = [&](size_t operand) { return step.operands[operand].geometry.sizes; };
  const bool adds = op == "addmm" || op == "baddbmm" || op == "addmv";
  if (adds || op == "mm" || op == "bmm" || op == "mv" || op == "linear" || op == "_linear_pointwise") {
    const size_t first = adds ? 1 : 0;
    if (step.operands.size() <= first || sizes(first).empty()) return 0;
    return 2 * made * static_cast<double>(sizes(first).back());
  }
  if (op == "convolution" || op == "_convolution_pointwise") {
    const size_t weight = step.call.overload == "binary" ? 2 : 1;
    if (step.operands.size() <= weight || sizes(weight).size() < 3 || sizes(weight)[0] == 0) return 0;
    auto* transposed = step.call.args.size() > 6 ? std::get_if<bool>(&step.call.args[6]) : nullptr;
    const int64_t taps = step.operands[weight].geometry.numel() / sizes(weight)[0];
    return 2 * static_cast<double>(taps) *
           (transposed && *transposed ? static_cast<double>(step.operands[0].geometry.numel()) : made);
  }
  if (op.find("scaled_dot_product") != op.npos && step.operands.size() >= 3 && sizes(1).size() >= 2)
    return 4 * made * static_cast<double>(sizes(1)[sizes(1).size() - 2]);
  return 0;
}

Work of_extern(const ExternStep& step) {
  Work work;
  for (const auto* tensors : {&step.operands, &step.results})
    for (const ExternTensor& tensor : *tensors)
      work.bytes +=
          shown(tensor.geometry.sizes, tensor.geometry.strides) * static_cast<double>(info(tensor.dtype).bytes);
  work.flops = flops_of(step);
  return work;
}

}  // namespace

Work work_of(const Plan& plan, const Step& step) {
  auto* kernel = std::get_if<KernelStep>(&step);
  return kernel ? of_kernel(plan, *kernel) : of_extern(std::get<ExternStep>(step));
}

}  // namespace braze
