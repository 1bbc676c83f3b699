// Reductions. Half types and f32 are summed at f32, f64 at f64, integers at i64. Of no elements: what eager defines,
// else PyTorch.
#include <algorithm>
#include <cmath>
#include <limits>

#include "passes/decompose/aten.h"

namespace braze {
namespace {

int64_t points(const Expr& x, const std::vector<int>& dims) {
  int64_t n = 1;
  for (int d : dims) n *= x.sizes()[d];
  return n;
}

/// The sum over `dims` (kept with size 1); 0 when there is nothing to add.
Expr sum(const Expr& x, const std::vector<int>& dims) {
  if (x.numel() == 0) return like(x, 0);
  return x.builder().reduce(Op::sum_, x, dims);
}

/// Where the dims argument of a reduction stands: overloads without one reduce everything.
std::vector<int> reduced_dims(Lowering& l, size_t position, bool given) {
  const size_t rank = l.sizes(0).size();
  return given ? l.dims(position, rank) : all_dims(rank);
}

bool has_dims(const Lowering& l) { return l.overload().find("dim") != std::string_view::npos; }

/// Overloads with names for dims, and out= forms, whose argument lists differ.
void refuse_odd_overloads(Lowering& l) {
  l.require(l.overload().find("names") == std::string_view::npos &&
            l.overload().find("Dimname") == std::string_view::npos);
}

struct Moments {
  Expr mean, variance;
};

/// Two passes: the mean, then the mean square distance from it. `correction` is taken off the count of the second.
Moments moments(const Expr& x, const std::vector<int>& dims, double correction) {
  const double n = static_cast<double>(points(x, dims));
  Expr mean = sum(x, dims) / n;
  Expr distance = x - mean;
  return {mean, sum(distance * distance, dims) / std::max(n - correction, 0.0)};
}

}  // namespace

/// sum, nansum and mean: (self, dim, keepdim, dtype) or (self, dtype).
void lower_sum(Lowering& l) {
  refuse_odd_overloads(l);
  const bool is_mean = l.name() == "mean";
  const bool is_nansum = l.name() == "nansum";
  const bool by_dim = has_dims(l) || is_nansum || (l.overload() == "out" && is_mean) || l.overload() == "IntList_out";
  const std::vector<int> dims = reduced_dims(l, 1, by_dim);
  const DType source = l.dtype(0);
  const DType target = l.dtype_argument(by_dim ? 3 : 1).value_or(is_integral(source) && !is_mean ? DType::i64 : source);
  if (l.refused()) return;
  l.require(!is_mean || is_floating(target));
  l.require(is_floating(target) || target == DType::i64);
  Expr x = l.in(0, target);
  if (is_nansum && is_floating(target)) x = select(apply(Op::is_nan_, x), like(x, 0), x);
  Expr total = sum(x, dims);
  l.set(is_mean ? total / static_cast<double>(points(x, dims)) : total, target);
}

/// (self, dims) or (self, dim)
void lower_count_nonzero(Lowering& l) {
  const DType dtype = l.dtype(0);
  const std::vector<int> dims = l.dims(1, l.sizes(0).size());
  Expr x = l.in(0, dtype);
  if (l.refused()) return;
  l.set(sum(cast(DType::i64, x != 0), dims), DType::i64);
}

/// (self, dtype) or (self, dim, keepdim, dtype)
void lower_prod(Lowering& l) {
  refuse_odd_overloads(l);
  const bool by_dim = has_dims(l) || l.overload() == "int_out";
  const std::vector<int> dims = reduced_dims(l, 1, by_dim);
  const DType source = l.dtype(0);
  const DType target = l.dtype_argument(by_dim ? 3 : 1).value_or(is_integral(source) ? DType::i64 : source);
  if (l.refused()) return;
  l.require(opmath(target) == target && (is_floating(target) || target == DType::i64));
  Expr x = l.in(0, target);
  l.set(x.numel() == 0 ? like(x, 1) : l.builder().reduce(Op::prod_, x, dims), target);
}

/// amax, amin (self, dim, keepdim); max, min (self), (self, dim, keepdim) with positions, (self, other).
void lower_extremum(Lowering& l) {
  refuse_odd_overloads(l);
  const bool largest = l.name() == "amax" || l.name() == "max";
  if (l.overload() == "other") {
    const DType common = l.common_dtype({0, 1});
    l.require(common != DType::b1);
    return l.set(apply(largest ? Op::maximum_ : Op::minimum_, l.in(0, common), l.in(1, common)), common);
  }
  const bool by_value = l.name().starts_with("a");
  const bool by_dim = l.overload().starts_with("dim");
  const DType dtype = l.dtype(0);
  const size_t rank = l.sizes(0).size();
  if (l.overload().find("out") != std::string_view::npos) l.require(by_value || by_dim);
  const std::vector<int> dims = by_value             ? l.dims(1, rank)
                                : by_dim && rank > 0 ? std::vector<int>{l.dim(1, rank)}
                                                     : all_dims(rank);
  if (l.refused()) return;
  Expr x = l.in(0, dtype);
  if (!l.require(x.numel() > 0)) return;
  if (dtype == DType::b1) {
    l.require(!by_dim);
    return l.set(l.builder().reduce(largest ? Op::any_ : Op::all_, x, dims), dtype);
  }
  l.set(0, l.builder().reduce(largest ? Op::max_ : Op::min_, x, dims), dtype);
  if (by_dim && l.wanted(1)) l.set(1, l.builder().reduce(largest ? Op::argmax_ : Op::argmin_, x, dims));
}

/// (self, *, dim, keepdim) -> (min, max)
void lower_aminmax(Lowering& l) {
  const DType dtype = l.dtype(0);
  const size_t rank = l.sizes(0).size();
  const std::vector<int> dims = l.is_none(1) || rank == 0 ? all_dims(rank) : std::vector<int>{l.dim(1, rank)};
  Expr x = l.in(0, dtype);
  if (!l.require(!l.refused() && x.numel() > 0 && dtype != DType::b1)) return;
  l.set(0, l.builder().reduce(Op::min_, x, dims), dtype);
  l.set(1, l.builder().reduce(Op::max_, x, dims), dtype);
}

/// argmax, argmin (self, dim, keepdim): without dim, the position in row-major order of all elements.
void lower_argument(Lowering& l) {
  const DType dtype = l.dtype(0);
  const size_t rank = l.sizes(0).size();
  const std::vector<int> dims = l.is_none(1) || rank == 0 ? all_dims(rank) : std::vector<int>{l.dim(1, rank)};
  Expr x = l.in(0, dtype);
  if (!l.require(!l.refused() && x.numel() > 0 && dtype != DType::b1)) return;
  l.set(l.builder().reduce(l.name() == "argmax" ? Op::argmax_ : Op::argmin_, x, dims));
}

void lower_any_all(Lowering& l) {
  refuse_odd_overloads(l);
  const bool by_dim = has_dims(l) || l.overload() == "out";
  const bool is_any = l.name() == "any";
  const DType source = l.dtype(0);
  l.require(source != DType::u8);  // answered in u8
  l.require(l.overload().find("dims") == std::string_view::npos || l.is_none(1) || !l.integers(1).empty());
  const std::vector<int> dims = reduced_dims(l, 1, by_dim);
  if (l.refused()) return;
  Expr x = cast(DType::b1, l.in(0, source));
  if (x.numel() == 0) return l.set(l.builder().integer(DType::b1, !is_any), DType::b1);
  l.set(l.builder().reduce(is_any ? Op::any_ : Op::all_, x, dims));
}

/// var, std, var_mean, std_mean: (self, unbiased), (self, dim, unbiased, keepdim), (self, dim, correction, keepdim).
void lower_variance(Lowering& l) {
  refuse_odd_overloads(l);
  const std::string_view overload = l.overload();
  const bool by_correction = overload.starts_with("correction");
  const bool by_dim = by_correction || has_dims(l) || overload == "out";
  const DType dtype = l.dtype(0);
  const std::vector<int> dims = reduced_dims(l, 1, by_dim);
  double correction = 1;
  if (by_correction) {
    if (!l.is_none(2)) correction = l.real(2);
  } else {
    correction = l.flag(by_dim ? 2 : 1);
  }
  l.require(is_floating(dtype));
  if (l.refused()) return;
  Expr x = l.in(0, dtype);
  if (!l.require(x.numel() > 0)) return;
  Moments m = moments(x, dims, correction);
  l.set(0, l.name().starts_with("std") ? apply(Op::sqrt_, m.variance) : m.variance, dtype);
  if (l.name().ends_with("_mean")) l.set(1, m.mean, dtype);
}

namespace {

Expr norm_over(const Expr& x, const std::vector<int>& dims, double order) {
  Builder& b = x.builder();
  Expr magnitude = apply(Op::abs_, x);
  if (order == 2) return apply(Op::sqrt_, sum(x * x, dims));
  if (order == 1) return sum(magnitude, dims);
  if (order == 0) return sum(cast(x.dtype(), x != 0), dims);
  if (order == HUGE_VAL) return b.reduce(Op::max_, magnitude, dims);
  if (order == -HUGE_VAL) return b.reduce(Op::min_, magnitude, dims);
  return apply(Op::pow_, sum(apply(Op::pow_, magnitude, like(x, order)), dims), like(x, 1 / order));
}

void set_norm(Lowering& l, const Expr& x, const std::vector<int>& dims, double order, DType dtype) {
  if (l.refused() || !l.require(x.numel() > 0 && is_floating(dtype))) return;
  l.set(norm_over(x, dims, order), dtype);
}

}  // namespace

/// (self, ord, dim, keepdim, dtype)
void lower_vector_norm(Lowering& l) {
  const DType dtype = l.dtype_argument(4).value_or(l.dtype(0));
  const std::vector<int> dims = l.dims(2, l.sizes(0).size());
  const double order = l.real(1);
  if (l.refused()) return;
  set_norm(l, l.in(0, dtype), dims, order, dtype);
}

/// norm.Scalar (self, p), norm.ScalarOpt_dim (self, p, dim, keepdim)
void lower_norm(Lowering& l) {
  const bool by_dim = l.overload() == "ScalarOpt_dim";
  l.require(by_dim || (l.overload() == "Scalar" && l.is_none(2)));
  const DType dtype = l.dtype(0);
  const std::vector<int> dims = reduced_dims(l, 2, by_dim);
  const double order = l.is_none(1) ? 2 : l.real(1);
  if (l.refused()) return;
  set_norm(l, l.in(0, dtype), dims, order, dtype);
}

/// (self, other, p): the norm of what lies between them.
void lower_dist(Lowering& l) {
  const DType dtype = l.common_dtype({0, 1});
  const double order = l.real(2);
  Expr x = cast(opmath(dtype), cast(dtype, l.in(0, dtype) - l.in(1, dtype)));
  if (l.refused() || !l.require(!x.is_number())) return;
  set_norm(l, x, all_dims(x.sizes().size()), order, dtype);
}

/// (self, p, dim, maxnorm): slices along a dim, those of larger norm made smaller. Norms are taken at f64.
void lower_renorm(Lowering& l) {
  const DType dtype = l.dtype(0);
  const size_t rank = l.sizes(0).size();
  const double order = l.real(1), most = l.real(3);
  const int dim = l.dim(2, rank);
  l.require(is_floating(dtype) && opmath(dtype) == dtype && rank >= 2 && l.memory(0).geometry.numel() > 0);
  if (l.refused()) return;
  Expr x = l.in(0, dtype);
  std::vector<int> dims = all_dims(rank);
  dims.erase(dims.begin() + dim);
  Expr norm = norm_over(cast(DType::f64, x), dims, order);
  l.set(x * cast(dtype, select(norm > most, most / (norm + 1e-7), like(norm, 1))), dtype);
}

/// (self, dim, keepdim)
void lower_logsumexp(Lowering& l) {
  const DType dtype = l.dtype(0);
  const std::vector<int> dims = l.dims(1, l.sizes(0).size());
  l.require(is_floating(dtype) && l.overload().find("names") == std::string_view::npos);
  Expr x = l.in(0, dtype);
  if (!l.require(!l.refused() && x.numel() > 0)) return;
  Expr largest = l.builder().reduce(Op::max_, x, dims);
  Expr finite = select(apply(Op::abs_, largest) == HUGE_VAL, like(x, 0), largest);
  l.set(apply(Op::log_, sum(apply(Op::exp_, x - finite), dims)) + finite, dtype);
}

}  // namespace braze
