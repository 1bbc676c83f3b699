// Kernels with numbers put in the place of size parameters.
#include "schedule/size_params.h"

#include "ops/evaluate.h"

namespace braze {
namespace {

constexpr int64_t kMostReducePoints = int64_t{1} << 31;  // positions along the reduce axes fit in an i32
constexpr int64_t kLargest = int64_t{1} << 56;

}  // namespace

std::string size_text(int64_t integer) {
  return is_size_param(integer) ? "s" + std::to_string(size_param_position(integer)) : std::to_string(integer);
}

Scalar value_of_constant(const Instr& constant, std::span<const int64_t> sizes) {
  if (constant.size < 0) return constant.immediate;
  const int64_t size = sizes[constant.size];
  if (!is_floating(constant.dtype)) return convert(Scalar::of_int(DType::i64, size), constant.dtype);
  const auto number = static_cast<double>(size);
  return convert(Scalar::of_double(DType::f64, constant.reciprocal ? 1 / number : number), constant.dtype);
}

bool allows(const Kernel& kernel, std::span<const int64_t> sizes) {
  if (sizes.size() != static_cast<size_t>(kernel.size_params)) return false;
  for (int64_t size : sizes)
    if (size < 0 || size > kLargest) return false;
  int64_t points = 1;
  for (size_t a = 0; a < kernel.axes.size(); ++a) {
    const int64_t extent = value_of(kernel.axes[a], sizes);
    if (is_size_param(kernel.axes[a]) && extent < 2) return false;
    if (extent > kLargest / points) return false;
    points *= extent;
  }
  if (kernel.is_parametric() && kernel.reduce_points(sizes) >= kMostReducePoints) return false;
  auto moves = [&](int64_t stride) { return !is_size_param(stride) || value_of(stride, sizes) >= 1; };
  for (const Instr& in : kernel.body) {
    for (int64_t stride : in.strides)
      if (!moves(stride)) return false;
    for (const IndexedDim& dim : in.indexed)
      if (!moves(dim.stride)) return false;
    if (in.reciprocal && sizes[in.size] == 0) return false;
  }
  return true;
}

Kernel with_sizes(const Kernel& kernel, std::span<const int64_t> sizes) {
  Kernel result = kernel;
  result.size_params = 0;
  for (int64_t& extent : result.axes) extent = value_of(extent, sizes);
  for (Instr& in : result.body) {
    in.offset = value_of(in.offset, sizes);
    for (int64_t& stride : in.strides) stride = value_of(stride, sizes);
    for (IndexedDim& dim : in.indexed) dim = {value_of(dim.size, sizes), value_of(dim.stride, sizes)};
    if (in.kind != InstrKind::Constant) continue;
    in.immediate = value_of_constant(in, sizes);
    in.size = -1;
    in.reciprocal = false;
  }
  return result;
}

}  // namespace braze
