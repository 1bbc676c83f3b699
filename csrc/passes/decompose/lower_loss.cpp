// Loss functions and what they need from a class index.
#include <cmath>

#include "graph/geometry.h"
#include "passes/decompose/aten.h"

namespace braze {
namespace {

enum Reduction : int64_t { kNone = 0, kMean = 1, kSum = 2 };

/// One number for each element, all of them averaged, or summed.
void set_reduced(Lowering& l, const Expr& losses, int64_t reduction, DType common) {
  if (l.refused()) return;
  if (reduction == kNone) return l.set(losses, common);
  if (!l.require(opmath(common) == common && losses.numel() > 0 && !losses.is_number())) return;
  Expr total = l.builder().reduce(Op::sum_, losses, all_dims(losses.sizes().size()));
  l.set(reduction == kMean ? total / static_cast<double>(losses.numel()) : total, common);
}

/// Class positions of a loss over [batch, classes], with their weights; what equals `ignored` counts for nothing.
struct Classes {
  Expr position, is_ignored, weight;
};

Classes classes_of(Lowering& l, size_t target, size_t weight, int64_t ignored, int64_t count, DType dtype) {
  Expr raw = l.raw(target);
  l.require(l.is_memory(target) && raw.dtype() == DType::i64 && !raw.sizes().empty() && count > 0);
  Builder& b = l.builder();
  Expr is_ignored = raw == b.integer(DType::i64, ignored);
  // A negative class is out of range, where a gather would wrap it.
  Expr checked = select(raw < 0, b.integer(DType::i64, count), raw);
  Expr position = select(is_ignored, b.integer(DType::i64, 0), checked);
  Expr weights = b.number(dtype, 1);
  if (!l.is_none(weight) && l.require(l.sizes(weight) == std::vector<int64_t>{count} && l.dtype(weight) == dtype)) {
    const Access& table = l.memory(weight);
    const IndexedDim dim{count, table.geometry.strides[0]};
    const Geometry spread{table.geometry.offset, raw.sizes(), std::vector<int64_t>(raw.sizes().size())};
    weights = b.gather({table.value, spread}, {dim}, {position});
  }
  return {position, is_ignored, select(is_ignored, like(weights, 0), weights)};
}

}  // namespace

void lower_mse_loss(Lowering& l) {
  const DType common = l.common_dtype({0, 1});
  l.require(is_floating(common));
  Expr difference = l.in(0, common) - l.in(1, common);
  set_reduced(l, difference * difference, l.integer(2), common);
}

/// smooth_l1_loss (self, target, reduction, beta), huber_loss (self, target, reduction, delta)
void lower_smooth_l1(Lowering& l) {
  const DType common = l.common_dtype({0, 1});
  const double edge = l.real(3);
  l.require(is_floating(common) && edge > 0);
  Expr distance = apply(Op::abs_, l.in(0, common) - l.in(1, common));
  Expr edge_number = like(distance, edge);
  if (l.name() == "smooth_l1_loss") {
    Expr square = 0.5 * distance * distance / edge_number;
    return set_reduced(l, select(distance < edge, square, distance - 0.5 * edge_number), l.integer(2), common);
  }
  Expr square = 0.5 * distance * distance;
  set_reduced(l, select(distance <= edge, square, edge_number * (distance - 0.5 * edge_number)), l.integer(2), common);
}

/// (self, target, weight, pos_weight, reduction)
void lower_bce_with_logits(Lowering& l) {
  const DType common = l.common_dtype({0, 1});
  l.require(is_floating(common) && l.is_none(3) && opmath(common) == common);
  Expr x = l.in(0, common), target = l.in(1, common);
  Expr low = select(x < 0, x, like(x, 0));
  Expr log_sigmoid = low - apply(Op::log1p_, apply(Op::exp_, -apply(Op::abs_, x)));
  Expr loss = (1.0 - target) * x - log_sigmoid;
  if (!l.is_none(2)) loss = loss * l.in(2, common);
  set_reduced(l, loss, l.integer(4), common);
}

/// (self, target, weight, reduction): logarithms are cut at -100, and probabilities outside [0, 1] are an error.
void lower_binary_cross_entropy(Lowering& l) {
  const DType common = l.dtype(0);
  l.require(is_floating(common) && opmath(common) == common && l.dtype(1) == common && l.sizes(0) == l.sizes(1));
  l.require(l.is_memory(0) && l.memory(0).geometry.numel() > 0);
  if (l.refused()) return;
  Expr x = l.in(0, common), target = l.in(1, common);
  auto log = [](const Expr& p, Op op) { return apply(Op::maximum_, apply(op, p), like(p, -100)); };
  Expr loss = (target - 1) * log(-x, Op::log1p_) - target * log(x, Op::log_);
  auto is_share = [](const Expr& p) { return both(p >= 0, p <= 1); };
  loss = l.checked(both(is_share(x), is_share(target)), loss, 0);
  if (!l.is_none(2)) loss = loss * l.in(2, common);
  set_reduced(l, loss, l.integer(3), common);
}

/// (self, target, reduction)
void lower_soft_margin(Lowering& l) {
  const DType common = l.common_dtype({0, 1});
  l.require(is_floating(common) && opmath(common) == common);
  Expr z = apply(Op::exp_, -l.in(0, common) * l.in(1, common));
  set_reduced(l, apply(Op::log1p_, z), l.integer(2), common);
}

/// (self, target, p, margin, weight, reduction)
void lower_multi_margin(Lowering& l) {
  const DType dtype = l.dtype(0);
  const Geometry g = l.memory(0).geometry;
  const double power = l.real(2);
  l.require(is_floating(dtype) && opmath(dtype) == dtype && g.sizes.size() == 2 && g.numel() > 0);
  l.require(power == 1 || power == 2);
  if (l.refused()) return;
  Classes c = classes_of(l, 1, 4, -1, g.sizes[1], dtype);
  if (l.refused() || !l.require(l.sizes(1) == std::vector<int64_t>{g.sizes[0]})) return;
  auto by_row = [](const Expr& x) { return x.is_number() ? x : x.through(unsqueezed(x.geometry(), 1)); };
  Builder& b = l.builder();
  Expr place = l.raw(1);
  Expr position = select(place < 0, b.integer(DType::i64, g.sizes[1]), place);
  Access rows{l.memory(0).value, {g.offset, {g.sizes[0]}, {g.strides[0]}}};
  Expr wanted = b.gather(rows, {{g.sizes[1], g.strides[1]}}, {position});
  Expr distance = l.coefficient(3, dtype) - by_row(wanted) + l.in(0, dtype);
  Expr loss = (power == 1 ? distance : distance * distance) * by_row(c.weight);
  Expr counts = both(distance > 0, b.index(g.sizes, 1) != by_row(place));
  Expr total = b.reduce(Op::sum_, select(counts, loss, like(loss, 0)), {1});
  if (l.refused()) return;
  set_reduced(l, total.through(selected(total.geometry(), 1, 0)) / static_cast<double>(g.sizes[1]), l.integer(5),
              dtype);
}

/// nll_loss_forward and nll_loss2d_forward (self, target, weight, reduction, ignore) -> (output, total_weight): a class
/// along the second dim for each of the other places.
void lower_nll_loss(Lowering& l) {
  const DType dtype = l.dtype(0);
  const Geometry g = l.memory(0).geometry;
  const int64_t reduction = l.integer(3);
  l.require(is_floating(dtype) && opmath(dtype) == dtype && g.sizes.size() >= 2 && g.numel() > 0);
  if (l.refused()) return;
  Classes c = classes_of(l, 1, 2, l.integer(4), g.sizes[1], dtype);
  const Geometry places = selected(g, 1, 0);
  if (l.refused() || !l.require(l.sizes(1) == places.sizes)) return;
  Expr picked = l.builder().gather({l.memory(0).value, places}, {{g.sizes[1], g.strides[1]}}, {c.position});
  Expr losses = select(c.is_ignored, like(picked, 0), -picked * c.weight);
  if (reduction == kNone) {
    l.set(0, losses, dtype);
    return l.set(1, l.builder().number(dtype, 0), dtype);
  }
  const std::vector<int> dims = all_dims(places.sizes.size());
  Expr total = l.builder().reduce(Op::sum_, losses, dims);
  Expr weight =
      l.builder().reduce(Op::sum_, l.builder().fill(dtype, Geometry::contiguous(places.sizes), c.weight), dims);
  l.set(0, reduction == kMean ? total / weight : total, dtype);
  if (l.wanted(1)) l.set(1, weight, dtype);
}

/// (grad_output, self, target, weight, reduction, ignore, total_weight)
void lower_nll_loss_backward(Lowering& l) {
  const DType dtype = l.dtype(1);
  const std::vector<int64_t> sizes = l.sizes(1);
  const int64_t reduction = l.integer(4);
  l.require(is_floating(dtype) && opmath(dtype) == dtype && sizes.size() == 2 && l.dtype(0) == dtype);
  if (l.refused() || !l.require(sizes[0] * sizes[1] > 0)) return;
  Classes c = classes_of(l, 2, 3, l.integer(5), sizes[1], dtype);
  if (l.refused() || !l.require(l.sizes(2) == std::vector<int64_t>{sizes[0]})) return;
  auto by_row = [](const Expr& x) { return x.is_number() ? x : x.through(unsqueezed(x.geometry(), 1)); };
  Expr grad = l.in(0, dtype);
  if (reduction == kMean) grad = grad / l.in(6, dtype);
  if (reduction == kNone) grad = by_row(grad);
  Expr here = l.builder().index(sizes, 1) == by_row(c.position);
  l.set(select(here, -(by_row(c.weight) * grad), like(grad, 0)), dtype);
}

}  // namespace braze
