// The kernel interpreter: at each parallel point every instruction runs over all reduce points before the next one
// starts.
#include "backends/reference/interpret_kernel.h"

#include <cstddef>
#include <vector>

#include "backends/reference/attend.h"
#include "backends/reference/recur.h"
#include "backends/reference/reduce.h"
#include "ops/evaluate.h"
#include "schedule/attention_form.h"
#include "schedule/recurrence_form.h"
#include "schedule/size_params.h"
#include "support/error.h"

namespace braze {
namespace {

/// The addresses an instruction reaches at one parallel point, one for each reduce point in row-major order.
std::vector<int64_t> addresses(const Kernel& kernel, const Instr& in, int64_t point) {
  int64_t start = in.offset;
  for (int a = kernel.parallel_axes(); a-- > 0; point /= kernel.axes[a])
    start += point % kernel.axes[a] * in.strides[a];
  std::vector<int64_t> result = {start};
  if (in.row) return result;
  for (size_t a = kernel.parallel_axes(); a < kernel.axes.size(); ++a) {
    std::vector<int64_t> wider;
    for (int64_t address : result)
      for (int64_t i = 0; i < kernel.axes[a]; ++i) wider.push_back(address + i * in.strides[a]);
    result = std::move(wider);
  }
  return result;
}

class Interpreter {
 public:
  Interpreter(const Kernel& kernel, void* const* params)
      : kernel_(kernel), params_(params), values_(kernel.body.size()) {}

  int64_t run(int64_t begin, int64_t end) {
    for (point_ = begin; point_ < end; ++point_) {
      for (size_t i = 0; i < kernel_.body.size(); ++i)
        if (!compute(kernel_.body[i], values_[i])) return 1;
      for (const Instr& in : kernel_.body)
        if (in.kind == InstrKind::Store) store(in);
    }
    return 0;
  }

 private:
  /// Values at level Row and constants are kept once, others once a reduce point.
  const Scalar& value(int instr, size_t reduce_point) const {
    const std::vector<Scalar>& all = values_[instr];
    return all.size() == 1 ? all[0] : all[reduce_point];
  }

  std::byte* memory(const Instr& in, int64_t address) const {
    return static_cast<std::byte*>(params_[in.param]) + address * info(in.dtype).bytes;
  }

  bool compute(const Instr& in, std::vector<Scalar>& out) {
    out.clear();
    switch (in.kind) {
      case InstrKind::Constant: out.push_back(in.immediate); break;
      case InstrKind::Store: break;
      case InstrKind::Load:
        for (int64_t address : addresses(kernel_, in, point_))
          out.push_back(load_element(memory(in, address), in.dtype));
        break;
      case InstrKind::Index:
        for (int64_t position : addresses(kernel_, in, point_)) out.push_back(Scalar::of_int(DType::i64, position));
        break;
      case InstrKind::Gather: return gather(in, out);
      case InstrKind::Elementwise: elementwise(in, out); break;
      case InstrKind::Reduce: reduce(in, out); break;
    }
    return true;
  }

  bool gather(const Instr& in, std::vector<Scalar>& out) {
    std::vector<int64_t> places = addresses(kernel_, in, point_);
    for (size_t p = 0; p < places.size(); ++p) {
      for (size_t k = 0; k < in.args.size(); ++k) {
        const IndexedDim& dim = in.indexed[k];
        int64_t index = value(in.args[k], p).as_int();
        if (index < -dim.size || index >= dim.size) return false;
        places[p] += (index < 0 ? index + dim.size : index) * dim.stride;
      }
      out.push_back(load_element(memory(in, places[p]), in.dtype));
    }
    return true;
  }

  void elementwise(const Instr& in, std::vector<Scalar>& out) {
    size_t points = 1;
    for (int arg : in.args) points = std::max(points, values_[arg].size());
    std::vector<Scalar> operands(in.args.size());
    for (size_t p = 0; p < points; ++p) {
      for (size_t k = 0; k < in.args.size(); ++k) operands[k] = value(in.args[k], p);
      out.push_back(evaluate(in.op, in.dtype, operands));
    }
  }

  void reduce(const Instr& in, std::vector<Scalar>& out) {
    if (is_attention(in.op)) return out.push_back(attended(in));
    if (is_recurrence(in.op)) return out.push_back(recurred(in));
    Reduction reduction(in.op, kernel_.body[in.args[0]].dtype);
    for (int64_t p = 0; p < kernel_.reduce_points(); ++p) {
      if (in.op == Op::dot_)
        reduction.add(value(in.args[0], p), value(in.args[1], p));
      else
        reduction.add(value(in.args[0], p));
    }
    out.push_back(reduction.result());
  }

  Scalar attended(const Instr& in) {
    const AttentionForm form = *attention_form(kernel_);
    const int64_t row = point_ / form.columns % form.rows;
    return attend({.keys = form.keys,
                   .depth = form.depth,
                   .visible = form.causal ? row + 1 : form.keys,
                   .element = [&](int operand, int64_t key, int64_t place) {
                     return value(in.args[operand], key * form.depth + place).as_double();
                   }});
  }

  /// The states of a row are computed when its first point comes.
  Scalar recurred(const Instr& in) {
    const RecurrenceForm form = *recurrence_form(kernel_);
    const int64_t row = point_ / form.points_of_row();
    if (row != row_) {
      row_ = row;
      states_ = recur({.op = in.op,
                       .steps = form.steps,
                       .units = form.depth,
                       .element = [&](int operand, int64_t step, int64_t unit, int64_t gate, int64_t place) {
                         const Instr& load = kernel_.body[in.args[operand]];
                         int64_t at = load.offset;
                         auto move = [&](int axis, int64_t by) { at += axis < 0 ? 0 : by * load.strides[axis]; };
                         move(form.row_axis, row), move(form.step_axis, step), move(form.gate_axis, gate);
                         move(form.block_axis, unit / form.units), move(form.unit_axis, unit % form.units);
                         move(form.depth_axis, place);
                         return load_element(memory(load, at), load.dtype).as_double();
                       }});
    }
    int64_t point = point_, position[64] = {};
    for (int a = kernel_.parallel_axes(); a-- > 0; point /= kernel_.axes[a]) position[a] = point % kernel_.axes[a];
    auto at = [&](int axis) { return axis < 0 ? 0 : position[axis]; };
    const int64_t step = at(form.state_axis) * form.steps + at(form.step_axis);
    const int64_t unit = at(form.block_axis) * form.units + at(form.unit_axis);
    return convert(Scalar::of_double(DType::f64, states_[step * form.depth + unit]), DType::f32);
  }

  void store(const Instr& in) {
    const std::vector<int64_t> places = addresses(kernel_, in, point_);
    for (size_t p = 0; p < places.size(); ++p) store_element(memory(in, places[p]), value(in.args[0], p));
  }

  const Kernel& kernel_;
  void* const* params_;
  int64_t point_ = 0, row_ = -1;
  std::vector<double> states_;  // of a recurrent layer, after each step of row_
  std::vector<std::vector<Scalar>> values_;
};

}  // namespace

int64_t interpret_kernel(const Kernel& kernel, void* const* params, int64_t begin, int64_t end) {
  if (!kernel.is_parametric()) return Interpreter(kernel, params).run(begin, end);
  const auto* sizes = static_cast<const int64_t*>(params[kernel.params.size()]);
  const Kernel static_kernel = with_sizes(kernel, {sizes, static_cast<size_t>(kernel.size_params)});
  return Interpreter(static_kernel, params).run(begin, end);
}

}  // namespace braze
