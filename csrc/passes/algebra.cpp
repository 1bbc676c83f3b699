// Rules that make a node cheaper and keep every bit of its result, NaN, infinities and the sign of zero included. A
// rule is a row: what stands there, what takes its place. Every rule goes one way, to fewer or cheaper operations, so
// running them all ends.
//
//   x * 1 -> x           x / 1 -> x           x - 0 -> x            x + (-0.0) -> x       x + 0 -> x (integers)
//   -(-x) -> x           not(not x) -> x      |-x| -> |x|           ||x|| -> |x|
//   x + (-y) -> x - y    x - (-y) -> x + y    cast to own dtype and back through a wider one -> x
//   where(c, x, x) -> x  where(true, x, y) -> x                     x and x -> x          min(x, x) -> x
//   x and true -> x      x and false -> false x or false -> x       x or true -> true     (b1)
//
// "-> x" leaves a copy, which forward_reads then looks through.
#include <cmath>
#include <optional>

#include "graph/geometry.h"
#include "passes/pass.h"

namespace braze {
namespace {

/// True when every value of `from` is also one of `to`.
bool is_exact_in(DType from, DType to) {
  if (from == to || from == DType::b1) return info(to).kind != DTypeKind::Stored;
  if (is_floating(from)) return info(to).kind == DTypeKind::Float && info(to).bytes > info(from).bytes;
  if (info(from).kind != DTypeKind::Int || info(to).kind == DTypeKind::Stored) return false;
  if (info(to).kind == DTypeKind::Int) return info(to).bytes > info(from).bytes;
  if (to == DType::f32) return info(from).bytes <= 2;
  return to == DType::f64 && info(from).bytes <= 4;
}

struct Rewrite {
  Op op = Op::cast_;  // with one operand of the same dtype: a copy
  std::vector<Operand> operands;
};
using MaybeRewrite = std::optional<Rewrite>;

/// A node under a rule, with its operands and what made them.
class Match {
 public:
  Match(const Graph& graph, const Node& node) : graph_(graph), node_(node) {}

  Op op() const { return node_.op; }
  const Operand& operand(size_t i) const { return node_.operands[i]; }
  DType dtype() const { return graph_.value(node_.results[0]).dtype; }
  DType dtype(size_t i) const { return dtype_of(graph_, operand(i)); }
  bool floating() const { return is_floating(dtype()); }

  /// True when operand `i` is this number, to the sign of zero.
  bool is(size_t i, double number) const {
    auto* scalar = std::get_if<Scalar>(&operand(i));
    return scalar && scalar->as_double() == number && std::signbit(scalar->as_double()) == std::signbit(number);
  }
  const Scalar* number(size_t i) const { return std::get_if<Scalar>(&operand(i)); }

  /// The operand of the unary node that made operand `i`, seen as operand `i` sees its result.
  std::optional<Operand> inside(size_t i, Op op) const {
    auto* access = std::get_if<Access>(&operand(i));
    if (!access) return std::nullopt;
    const Value& value = graph_.value(access->value);
    if (value.producer < 0) return std::nullopt;
    const Node& maker = graph_.nodes[value.producer];
    if (maker.op != op) return std::nullopt;
    auto* source = std::get_if<Access>(&maker.operands[0]);
    if (!source) return maker.operands[0];
    auto geometry = look_through(access->geometry, value.shape, source->geometry);
    if (!geometry) return std::nullopt;
    return Access{source->value, *geometry};
  }
  DType dtype_of_operand(const Operand& operand) const { return dtype_of(graph_, operand); }

 private:
  const Graph& graph_;
  const Node& node_;
};

Rewrite copy_of(Operand operand) { return {Op::cast_, {std::move(operand)}}; }

MaybeRewrite neutral_elements(const Match& m) {
  switch (m.op()) {
    case Op::mul_:
      if (m.is(1, 1)) return copy_of(m.operand(0));
      if (m.is(0, 1)) return copy_of(m.operand(1));
      return {};
    case Op::div_:
      if (m.is(1, 1)) return copy_of(m.operand(0));
      return {};
    case Op::add_:
      for (size_t i : {0, 1})
        if (m.is(i, m.floating() ? -0.0 : 0.0)) return copy_of(m.operand(1 - i));
      return {};
    case Op::sub_:
      if (m.is(1, 0)) return copy_of(m.operand(0));
      return {};
    default: return {};
  }
}

MaybeRewrite double_unary(const Match& m) {
  if (m.op() == Op::neg_ || m.op() == Op::not_)
    if (auto x = m.inside(0, m.op())) return copy_of(*x);
  if (m.op() == Op::abs_) {
    if (m.inside(0, Op::abs_)) return copy_of(m.operand(0));
    if (auto x = m.inside(0, Op::neg_)) return Rewrite{Op::abs_, {*x}};
  }
  return {};
}

MaybeRewrite added_negations(const Match& m) {
  if (m.op() != Op::add_ && m.op() != Op::sub_) return {};
  if (auto y = m.inside(1, Op::neg_)) return Rewrite{m.op() == Op::add_ ? Op::sub_ : Op::add_, {m.operand(0), *y}};
  if (m.op() == Op::add_)
    if (auto x = m.inside(0, Op::neg_)) return Rewrite{Op::sub_, {m.operand(1), *x}};
  return {};
}

MaybeRewrite casts(const Match& m) {
  if (m.op() != Op::cast_) return {};
  auto x = m.inside(0, Op::cast_);
  if (!x) return {};
  const DType from = m.dtype_of_operand(*x), between = m.dtype(0);
  if (from == between || !is_exact_in(from, between)) return {};
  if (from == m.dtype()) return copy_of(*x);
  // Of two exact steps the first can go; so can it when the last one rounds what it would have rounded anyway.
  if (is_floating(from) && is_floating(m.dtype())) return Rewrite{Op::cast_, {*x}};
  return {};
}

MaybeRewrite choices(const Match& m) {
  if (m.op() != Op::where_) return {};
  if (auto* condition = m.number(0)) return copy_of(m.operand(condition->as_int() ? 1 : 2));
  if (m.operand(1) == m.operand(2)) return copy_of(m.operand(1));
  return {};
}

MaybeRewrite lattice(const Match& m) {
  const Op op = m.op();
  const bool boolean = (op == Op::and_ || op == Op::or_) && m.dtype() == DType::b1;
  if ((op == Op::and_ || op == Op::or_ || op == Op::minimum_ || op == Op::maximum_) && m.operand(0) == m.operand(1))
    return copy_of(m.operand(0));
  for (size_t i : {0, 1}) {
    if (!boolean || !m.number(i)) continue;
    const bool decides = (m.number(i)->as_int() != 0) == (op == Op::or_);
    return copy_of(decides ? m.operand(i) : m.operand(1 - i));
  }
  return {};
}

constexpr MaybeRewrite (*kRules[])(const Match&) = {neutral_elements, double_unary, added_negations, casts,
                                                    choices,          lattice};

}  // namespace

bool algebra(Graph& graph) {
  bool changed = false;
  for (Node& node : graph.nodes) {
    if (info(node.op).cls != OpClass::Elementwise) continue;
    for (bool again = true; again;) {
      again = false;
      for (auto rule : kRules) {
        auto rewrite = rule(Match(graph, node));
        if (!rewrite) continue;
        node.op = rewrite->op;
        node.operands = std::move(rewrite->operands);
        changed = again = true;
        break;
      }
    }
  }
  return changed;
}

}  // namespace braze
