#include "schedule/random_sizes.h"

#include <cmath>

#include "ops/evaluate.h"

namespace braze {
namespace {

class Chooser {
 public:
  Chooser(std::mt19937& random, double share) : random_(random), share_(share) {}

  void replace(int64_t& integer, int64_t least, double share) {
    if (integer >= least && chance(share)) integer = size_param(parameter(integer));
  }

  void replace_constant(Instr& in) {
    if (in.dtype == DType::b1 || !chance(share_)) return;
    const double value = in.immediate.as_double();
    const bool reciprocal = is_floating(in.dtype) && value > 0 && value < 1;
    const double whole = std::round(reciprocal ? 1 / value : value);
    if (!(whole >= 1 && whole < 1e6)) return;
    Instr made = in;
    made.immediate = {in.dtype, 0};
    made.reciprocal = reciprocal;
    const std::vector<int64_t> sizes = {static_cast<int64_t>(whole)};
    made.size = 0;
    const Scalar is =
        reciprocal ? Scalar::of_double(DType::f64, 1 / whole) : Scalar::of_int(DType::i64, static_cast<int64_t>(whole));
    if (convert(is, in.dtype) != convert(in.immediate, in.dtype)) return;
    made.size = parameter(sizes[0]);
    in = made;
  }

  double share() const { return share_; }
  std::vector<int64_t> sizes;

 private:
  bool chance(double share) { return std::uniform_real_distribution<double>()(random_) < share; }

  int parameter(int64_t value) {
    for (size_t k = 0; k < sizes.size(); ++k)
      if (sizes[k] == value && chance(0.5)) return static_cast<int>(k);
    sizes.push_back(value);
    return static_cast<int>(sizes.size()) - 1;
  }

  std::mt19937& random_;
  double share_;
};

}  // namespace

SizedKernel with_random_sizes(const Kernel& kernel, std::mt19937& random, double share) {
  Chooser chooser(random, share);
  SizedKernel made{kernel, {}};
  for (int64_t& extent : made.kernel.axes) chooser.replace(extent, 2, share);
  for (Instr& in : made.kernel.body) {
    if (in.kind == InstrKind::Constant) chooser.replace_constant(in);
    if (in.kind == InstrKind::Constant || in.kind == InstrKind::Elementwise || in.kind == InstrKind::Reduce) continue;
    chooser.replace(in.offset, 0, share);
    for (int64_t& stride : in.strides) chooser.replace(stride, 1, stride == 1 ? share * 0.1 : share);
    for (IndexedDim& dim : in.indexed) {
      chooser.replace(dim.size, 1, share);
      chooser.replace(dim.stride, 1, share);
    }
  }
  made.sizes = chooser.sizes;
  made.kernel.size_params = static_cast<int>(made.sizes.size());
  return made;
}

}  // namespace braze
