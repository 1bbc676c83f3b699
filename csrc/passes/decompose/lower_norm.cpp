// Normalisation layers: mean, then the mean square distance from it, in two passes.
#include <algorithm>

#include "graph/geometry.h"
#include "passes/decompose/aten.h"

namespace braze {
namespace {

struct Statistics {
  Expr mean, rstd;
};

Expr mean_of(const Expr& x, const std::vector<int>& dims) {
  double n = 1;
  for (int d : dims) n *= static_cast<double>(x.sizes()[d]);
  return x.builder().reduce(Op::sum_, x, dims) / n;
}

Expr reciprocal_root(const Expr& variance, double eps) { return 1.0 / apply(Op::sqrt_, variance + eps); }

Statistics statistics(const Expr& x, const std::vector<int>& dims, double eps) {
  Expr mean = mean_of(x, dims);
  Expr distance = x - mean;
  return {mean, reciprocal_root(mean_of(distance * distance, dims), eps)};
}

/// Eager leaves statistics that inference does not make as empty tensors.
void set_empty(Lowering& l, size_t k) {
  if (!l.wanted(k)) return;
  if (!l.require(l.is_functional() && l.result_shape(k).numel() == 0)) return;
  l.set(k, l.builder().empty(l.result_dtype(k), l.result_shape(k)));
}

/// The statistics of a batch, and its share of the running ones (the variance there is the unbiased one).
template <typename Parameter>
Statistics training_statistics(Lowering& l, const Expr& x, double eps, size_t momentum_argument, Parameter parameter) {
  std::vector<int> dims = all_dims(x.sizes().size());
  dims.erase(dims.begin() + 1);
  const int64_t elements = x.numel() / x.sizes()[1];
  const double count = static_cast<double>(elements);
  Expr mean = mean_of(x, dims);
  Expr distance = x - mean;
  Expr squares = x.builder().reduce(Op::sum_, distance * distance, dims);
  if (!l.is_none(3)) {
    Expr momentum = l.coefficient(momentum_argument, x.dtype());
    auto moved = [&](size_t i, const Expr& fresh) {
      Expr old = parameter(i);
      return l.require(old.dtype() == fresh.dtype()) ? momentum * fresh + (1.0 - momentum) * old : old;
    };
    l.set_written(3, moved(3, mean));
    l.set_written(4, moved(4, squares / std::max(count - 1, 0.0)));
  }
  return {mean, reciprocal_root(squares / count, eps)};
}

std::vector<int> last_dims(Lowering& l, size_t i, size_t rank) {
  const size_t count = l.integers(i).size();
  if (!l.require(count > 0 && count <= rank)) return {};
  std::vector<int> dims = all_dims(rank);
  return {dims.end() - count, dims.end()};
}

}  // namespace

/// (input, normalized_shape, weight, bias, eps) -> (output, mean, rstd)
void lower_layer_norm(Lowering& l) {
  const DType dtype = l.dtype(0);
  const std::vector<int> dims = last_dims(l, 1, l.sizes(0).size());
  l.require(is_floating(dtype));
  Expr x = l.in(0, dtype);
  if (!l.require(!l.refused() && x.numel() > 0)) return;
  Statistics s = statistics(x, dims, l.real(4));
  const Expr normal = (x - s.mean) * s.rstd;
  const Expr weight = l.is_none(2) ? like(x, 1) : l.in(2, l.dtype(2));
  const Expr y = l.is_none(3) ? normal * weight : fma(normal, weight, l.in(3, l.dtype(3)));
  if (l.refused()) return;
  l.set(0, y, dtype);
  for (size_t k : {1, 2})
    if (l.wanted(k)) l.set(k, cast(l.result_dtype(k), k == 1 ? s.mean : s.rstd), l.result_dtype(k));
}

/// (input, normalized_shape, weight, eps) -> (output, rstd)
void lower_rms_norm(Lowering& l) {
  const DType dtype = l.dtype(0);
  const std::vector<int> dims = last_dims(l, 1, l.sizes(0).size());
  l.require(is_floating(dtype) && !l.is_none(3) && opmath(dtype) == dtype);
  Expr x = l.in(0, dtype);
  if (!l.require(!l.refused() && x.numel() > 0)) return;
  Expr rstd = reciprocal_root(mean_of(x * x, dims), l.real(3));
  Expr y = x * rstd;
  if (!l.is_none(2)) y = y * l.in(2, dtype);
  l.set(0, y, dtype);
  if (l.wanted(1)) l.set(1, cast(l.result_dtype(1), rstd), l.result_dtype(1));
}

/// (input, weight, bias, N, C, HxW, group, eps) -> (output, mean, rstd)
void lower_group_norm(Lowering& l) {
  const DType dtype = l.dtype(0);
  const Geometry g = l.memory(0).geometry;
  const int64_t groups = l.integer(6);
  l.require(is_floating(dtype) && g.sizes.size() >= 2 && groups > 0 && g.numel() > 0);
  if (l.refused() || !l.require(g.sizes[1] % groups == 0)) return;
  // Channels seen as (groups, channels a group); the window stays one window because it splits a single dim.
  auto split = [&](Geometry w, int dim) {
    const int64_t each = g.sizes[1] / groups, stride = w.strides[dim];
    w.sizes[dim] = each;
    w.sizes.insert(w.sizes.begin() + dim, groups);
    w.strides.insert(w.strides.begin() + dim, stride * each);
    return w;
  };
  const Geometry shape = split(l.result_shape(), 1);
  l.builder().lay_out_like(shape);
  Expr x = cast(opmath(dtype), l.raw(0).through(split(g, 1)));
  std::vector<int> dims = all_dims(x.sizes().size());
  dims.erase(dims.begin(), dims.begin() + 2);
  Statistics s = statistics(x, dims, l.real(7));
  auto parameter = [&](size_t i) {
    Expr p = l.channel_parameter(i, g.sizes.size(), l.dtype(i));
    return l.refused() ? p : p.through(split(p.geometry(), 0));
  };
  Expr scale = l.is_none(1) ? s.rstd : s.rstd * parameter(1);
  Expr shift = l.is_none(2) ? -s.mean * scale : fma(-s.mean, scale, parameter(2));
  if (l.refused()) return;
  Expr y = fma(x, scale, shift);
  l.set_in_shape(0, y, dtype, shape);
  for (size_t k : {1, 2})
    if (l.wanted(k)) l.set(k, cast(l.result_dtype(k), k == 1 ? s.mean : s.rstd), l.result_dtype(k));
}

/// native_batch_norm (input, weight, bias, running_mean, running_var, training, momentum, eps), and the operators that
/// only infer or only train, which have no `training`.
void lower_batch_norm(Lowering& l) {
  const bool inference_only = l.name() == "_native_batch_norm_legit_no_training";
  const bool trains_only = l.name() == "_batch_norm_with_update";
  const DType dtype = l.dtype(0);
  const std::vector<int64_t> sizes = l.sizes(0);
  const bool training = trains_only || (!inference_only && l.flag(5));
  const size_t momentum = inference_only || trains_only ? 5 : 6;
  l.require(l.overload() != "no_stats");
  l.require(is_floating(dtype) && sizes.size() >= 2);
  l.require(!training || opmath(dtype) == dtype);  // eager rounds half statistics on the way
  if (l.refused()) return;
  const double eps = l.real(momentum + 1);
  Expr x = l.in(0, dtype);
  if (!l.require(x.numel() > 0)) return;
  auto parameter = [&](size_t i) { return l.channel_parameter(i, sizes.size(), l.dtype(i)); };
  Statistics s = training ? training_statistics(l, x, eps, momentum, parameter)
                          : Statistics{parameter(3), reciprocal_root(parameter(4), eps)};
  Expr scale = l.is_none(1) ? s.rstd : s.rstd * parameter(1);
  Expr shift = l.is_none(2) ? -s.mean * scale : fma(-s.mean, scale, parameter(2));
  l.set(0, fma(x, scale, shift), dtype);
  for (size_t k : {1, 2}) {
    if (!training)
      set_empty(l, k);
    else if (l.wanted(k))
      l.set(k, cast(l.result_dtype(k), k == 1 ? s.mean : s.rstd), l.result_dtype(k));
  }
  set_empty(l, 3);
}

}  // namespace braze
