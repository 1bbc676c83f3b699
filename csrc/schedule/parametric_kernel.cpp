// Walks two kernels side by side, instruction by instruction. Constants are looked at where they are used: whether two
// uses share one is a coincidence of their values.
#include "schedule/parametric_kernel.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "ops/evaluate.h"
#include "schedule/size_params.h"

namespace braze {
namespace {

constexpr double kLargestWhole = 0x1p53;

/// The integer a constant is.
std::optional<int64_t> whole(const Scalar& scalar) {
  if (!is_floating(scalar.dtype)) return scalar.as_int();
  const double value = scalar.as_double();
  if (!(std::fabs(value) < kLargestWhole) || value != std::floor(value) || (value == 0 && std::signbit(value)))
    return std::nullopt;
  return static_cast<int64_t>(value);
}

/// n where `scalar` is 1/n as far as its dtype tells.
std::optional<int64_t> inverse(const Scalar& scalar) {
  const double value = is_floating(scalar.dtype) ? scalar.as_double() : 0;
  if (!(value > 0 && value < 1) || 1 / value > kLargestWhole) return std::nullopt;
  const double n = std::round(1 / value);
  if (convert(Scalar::of_double(DType::f64, 1 / n), scalar.dtype) != convert(scalar, scalar.dtype)) return std::nullopt;
  return static_cast<int64_t>(n);
}

bool is_power_of_two(int64_t n) { return n > 0 && (n & (n - 1)) == 0; }

/// n where multiplying by `scalar` is what was made of dividing by n (passes/algebra.cpp).
std::optional<int64_t> inverse_power_of_two(const Scalar& scalar) {
  auto n = inverse(scalar);
  return n && is_power_of_two(*n) ? n : std::nullopt;
}

bool is_constant(const Kernel& kernel, int instr) { return kernel.body[instr].kind == InstrKind::Constant; }

/// The positions of the instructions that are no constants, and the way back.
struct Skeleton {
  explicit Skeleton(const Kernel& kernel) : ordinal(kernel.body.size(), -1) {
    for (size_t i = 0; i < kernel.body.size(); ++i) {
      if (kernel.body[i].kind == InstrKind::Constant) continue;
      ordinal[i] = static_cast<int>(instrs.size());
      instrs.push_back(static_cast<int>(i));
    }
  }
  std::vector<int> instrs, ordinal;
};

bool same_header(const Kernel& a, const Kernel& b) {
  return a.axes.size() == b.axes.size() && a.reduce_axes == b.reduce_axes && a.vector_axis == b.vector_axis &&
         a.params == b.params;
}

/// All that is no integer, no operand, and not the op.
bool same_shape(const Instr& a, const Instr& b) {
  return a.kind == b.kind && a.dtype == b.dtype && a.row == b.row && a.param == b.param &&
         a.args.size() == b.args.size() && a.strides.size() == b.strides.size() && a.indexed.size() == b.indexed.size();
}

/// A division in one of the two, or in both, that may be written as a product.
bool may_be_one_division(const Instr& a, const Instr& b) {
  auto divides = [](const Instr& in) { return in.op == Op::mul_ || in.op == Op::div_; };
  return a.kind == InstrKind::Elementwise && divides(a) && divides(b) && is_floating(a.dtype);
}

class Unifier {
 public:
  Unifier(const Kernel& a, const Kernel& b) : a_(a), b_(b), in_a_(a), in_b_(b) {}

  std::optional<ParametricKernel> run() {
    if (!same_header(a_, b_) || in_a_.instrs.size() != in_b_.instrs.size()) return std::nullopt;
    if (a_ == b_) return ParametricKernel{a_, {}};
    Kernel& kernel = result_.kernel;
    kernel = a_;
    kernel.body.clear();
    for (size_t k = 0; k < kernel.axes.size(); ++k) join(kernel.axes[k], b_.axes[k], 2);
    for (size_t k = 0; k < in_a_.instrs.size() && fits_; ++k) add(a_.body[in_a_.instrs[k]], b_.body[in_b_.instrs[k]]);
    if (!fits_) return std::nullopt;
    kernel.size_params = static_cast<int>(result_.sizes.size());
    return std::move(result_);
  }

 private:
  int parameter(int64_t a, int64_t b) {
    auto [at, fresh] = known_.try_emplace({a, b}, static_cast<int>(result_.sizes.size()));
    if (fresh) result_.sizes.push_back({a, b});
    return at->second;
  }

  void join(int64_t& integer, int64_t other, int64_t least) {
    if (integer == other) return;
    if (integer < least || other < least)
      fits_ = false;
    else
      integer = size_param(parameter(integer, other));
  }

  void add(const Instr& a, const Instr& b) {
    Instr in = a;
    if (!same_shape(a, b) || (a.op != b.op && !may_be_one_division(a, b))) {
      fits_ = false;
      return;
    }
    join(in.offset, b.offset, 0);
    for (size_t k = 0; k < in.strides.size(); ++k) join(in.strides[k], b.strides[k], 2);
    for (size_t k = 0; k < in.indexed.size(); ++k) {
      join(in.indexed[k].size, b.indexed[k].size, 1);
      join(in.indexed[k].stride, b.indexed[k].stride, 2);
    }
    const bool division = join_division(a, b, in);
    for (size_t k = 0; k < in.args.size() && fits_; ++k)
      if (!division || k == 0) in.args[k] = operand(a.args[k], b.args[k]);
    if (!fits_) return;
    made_.push_back(static_cast<int>(result_.kernel.body.size()));
    result_.kernel.body.push_back(std::move(in));
  }

  /// Where a second operand differs and is a divisor, written as one or as its inverse: a division by a size.
  bool join_division(const Instr& a, const Instr& b, Instr& in) {
    if (!may_be_one_division(a, b) || !is_constant(a_, a.args[1]) || !is_constant(b_, b.args[1])) return false;
    const Scalar &in_a = a_.body[a.args[1]].immediate, &in_b = b_.body[b.args[1]].immediate;
    if (a.op == b.op && (in_a == in_b || a.op == Op::div_)) return false;
    auto n = a.op == Op::div_ ? whole(in_a) : inverse_power_of_two(in_a);
    auto m = b.op == Op::div_ ? whole(in_b) : inverse_power_of_two(in_b);
    if (!n || !m || *n < 1 || *m < 1 || n == m) {
      fits_ = fits_ && a.op == b.op;
      return false;
    }
    in.op = Op::div_;
    in.args[1] = constant(size_constant(in_a.dtype, *n, *m, false));
    return true;
  }

  Instr size_constant(DType dtype, int64_t a, int64_t b, bool reciprocal) {
    Instr in;
    in.dtype = dtype;
    in.immediate = {dtype, 0};
    in.size = parameter(a, b);
    in.reciprocal = reciprocal;
    return in;
  }

  int operand(int a, int b) {
    if (is_constant(a_, a) != is_constant(b_, b)) return fits_ = false;
    if (is_constant(a_, a)) return constant(join_constants(a_.body[a], b_.body[b]));
    if (in_a_.ordinal[a] != in_b_.ordinal[b]) return fits_ = false;
    return made_[in_a_.ordinal[a]];
  }

  Instr join_constants(const Instr& a, const Instr& b) {
    if (a == b) return a;
    if (a.dtype == b.dtype && a.dtype != DType::b1) {
      auto n = whole(a.immediate), m = whole(b.immediate);
      if (n && m && *n >= 0 && *m >= 0) return size_constant(a.dtype, *n, *m, false);
      n = inverse(a.immediate), m = inverse(b.immediate);
      if (n && m) return size_constant(a.dtype, *n, *m, true);
    }
    fits_ = false;
    return a;
  }

  int constant(const Instr& in) {
    std::vector<Instr>& body = result_.kernel.body;
    for (int at : constants_)
      if (body[at] == in) return at;
    constants_.push_back(static_cast<int>(body.size()));
    body.push_back(in);
    return constants_.back();
  }

  const Kernel &a_, &b_;
  const Skeleton in_a_, in_b_;
  bool fits_ = true;
  ParametricKernel result_;
  std::vector<int> made_, constants_;  // by ordinal; of the result's constants
  std::map<std::pair<int64_t, int64_t>, int> known_;
};

class Matcher {
 public:
  Matcher(const Kernel& kernel, const Kernel& c)
      : k_(kernel), c_(c), in_k_(kernel), in_c_(c), sizes_(kernel.size_params) {}

  std::optional<std::vector<int64_t>> run() {
    if (!same_header(k_, c_) || in_k_.instrs.size() != in_c_.instrs.size()) return std::nullopt;
    for (size_t a = 0; a < k_.axes.size(); ++a)
      if (!is(k_.axes[a], c_.axes[a])) return std::nullopt;
    for (size_t i = 0; i < in_k_.instrs.size(); ++i)
      if (!same(k_.body[in_k_.instrs[i]], c_.body[in_c_.instrs[i]])) return std::nullopt;
    std::vector<int64_t> sizes;
    for (const std::optional<int64_t>& size : sizes_) {
      if (!size) return std::nullopt;
      sizes.push_back(*size);
    }
    return allows(k_, sizes) ? std::optional(sizes) : std::nullopt;
  }

 private:
  bool is(int64_t integer, int64_t value) {
    if (!is_size_param(integer)) return integer == value;
    std::optional<int64_t>& size = sizes_[size_param_position(integer)];
    if (!size) size = value;
    return *size == value;
  }

  bool same(const Instr& in, const Instr& c) {
    if (!same_shape(in, c) || !is(in.offset, c.offset)) return false;
    for (size_t i = 0; i < in.strides.size(); ++i)
      if (!is(in.strides[i], c.strides[i])) return false;
    for (size_t i = 0; i < in.indexed.size(); ++i)
      if (!is(in.indexed[i].size, c.indexed[i].size) || !is(in.indexed[i].stride, c.indexed[i].stride)) return false;
    const bool inverted = in.op == Op::div_ && c.op == Op::mul_ && may_be_one_division(in, c);
    if (in.op != c.op && !inverted) return false;
    for (size_t i = 0; i < in.args.size(); ++i)
      if (!same_operand(in.args[i], c.args[i], inverted && i == 1)) return false;
    return true;
  }

  bool same_operand(int in, int c, bool inverted) {
    if (is_constant(k_, in) != is_constant(c_, c)) return false;
    if (!is_constant(k_, in)) return !inverted && in_k_.ordinal[in] == in_c_.ordinal[c];
    return same_constant(k_.body[in], c_.body[c], inverted);
  }

  bool same_constant(const Instr& in, const Instr& c, bool inverted) {
    if (in.dtype != c.dtype) return false;
    if (in.size < 0) return !inverted && in.immediate == c.immediate;
    if (inverted && in.reciprocal) return false;
    auto n = inverted ? inverse_power_of_two(c.immediate) : in.reciprocal ? inverse(c.immediate) : whole(c.immediate);
    return n && is(size_param(in.size), *n);
  }

  const Kernel &k_, &c_;
  const Skeleton in_k_, in_c_;
  std::vector<std::optional<int64_t>> sizes_;
};

}  // namespace

std::optional<ParametricKernel> unify_kernels(const Kernel& a, const Kernel& b) { return Unifier(a, b).run(); }

std::optional<std::vector<int64_t>> sizes_that_match(const Kernel& kernel, const Kernel& c) {
  return Matcher(kernel, c).run();
}

}  // namespace braze
