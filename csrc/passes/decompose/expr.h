// Formulas as C++ expressions: `x * 0.5 * (1.0 + erf(x * M_SQRT1_2))` appends the nodes it reads like. An Expr is an
// operand (a window on memory or a number) with broadcasting as torch does it; numbers combine at once, so a formula
// over constants leaves no nodes.
#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"

namespace braze {

class Expr;

/// Appends nodes to a graph on behalf of one formula. A step that cannot be made turns `refused` on and gives the
/// number 0, so that a formula is written without a check at every step and judged once at its end.
class Builder {
 public:
  Builder(Graph& graph, std::string origin) : graph_(graph), origin_(std::move(origin)) {}
  Builder(const Builder&) = delete;
  Builder& operator=(const Builder&) = delete;

  Graph& graph() { return graph_; }
  bool refused() const { return refused_; }
  Expr refuse();
  /// New values are laid out like this one where their sizes allow it.
  void lay_out_like(Geometry geometry) { layout_ = std::move(geometry); }

  Expr wrap(Operand operand);
  Expr number(DType dtype, double value);
  Expr integer(DType dtype, int64_t value);

  Expr elementwise(Op op, DType dtype, const std::vector<Expr>& operands);
  /// The domain is the operand's sizes; the result keeps the reduced dims with size 1.
  Expr reduce(Op op, const Expr& x, std::vector<int> dims);
  /// The position along a dim, as i64.
  Expr index(const std::vector<int64_t>& sizes, int dim);
  /// Loads from `table` (stride 0 along indexed dims) at `positions`.
  Expr gather(const Access& table, std::vector<IndexedDim> indexed, const std::vector<Expr>& positions);
  /// A new value of exactly this shape with the elements of `x` broadcast into it.
  Expr fill(DType dtype, Geometry shape, const Expr& x);
  Expr empty(DType dtype, Geometry shape);
  /// The next version of the buffer `base` is in (all of it), with `region` replaced by `x`.
  Expr update(const Expr& base, Geometry region, const Expr& x);

 private:
  Expr append(Node node, DType dtype, Geometry shape);

  Graph& graph_;
  std::string origin_;
  Geometry layout_;
  bool refused_ = false;
};

class Expr {
 public:
  Expr(Builder& builder, Operand operand) : builder_(&builder), operand_(std::move(operand)) {}

  Builder& builder() const { return *builder_; }
  const Operand& operand() const { return operand_; }
  DType dtype() const { return dtype_of(builder_->graph(), operand_); }
  bool is_number() const { return std::holds_alternative<Scalar>(operand_); }
  const Scalar& number() const { return std::get<Scalar>(operand_); }
  /// Empty for a number.
  std::vector<int64_t> sizes() const;
  int64_t numel() const;

  const Geometry& geometry() const { return std::get<Access>(operand_).geometry; }
  /// The same memory (not a number) through another window.
  Expr through(Geometry geometry) const;
  /// At least this many dims, by leading ones.
  Expr with_dims(size_t count) const;
  /// Lined up with dims that stand before `count` others, by trailing ones.
  Expr before_dims(size_t count) const;

 private:
  Builder* builder_;
  Operand operand_;
};

/// `op` at the dtype of its operands, which must agree (comparisons give b1, where_ takes its condition first).
Expr apply(Op op, const Expr& x);
Expr apply(Op op, const Expr& x, const Expr& y);
/// x * y + z, rounded once, for formulas in which ATen's vector code uses a fused instruction.
Expr fma(const Expr& x, const Expr& y, const Expr& z);
Expr select(const Expr& condition, const Expr& yes, const Expr& no);
Expr cast(DType dtype, const Expr& x);
/// `x` at `positions` (a tensor of one dim, in range) along `dim`.
Expr taken(const Expr& x, int dim, const Expr& positions);
/// The elements of a small tensor in row-major order, each without dims.
std::vector<Expr> elements_of(const Expr& x);
/// A number of the dtype of `x`, rounded to it.
Expr like(const Expr& x, double value);

// The operators of formulas. A double beside an Expr is a number of that Expr's dtype.
#define BRAZE_EXPR_BINARY(name, op)                                              \
  inline Expr name(const Expr& x, const Expr& y) { return apply(op, x, y); }     \
  inline Expr name(const Expr& x, double y) { return apply(op, x, like(x, y)); } \
  inline Expr name(double x, const Expr& y) { return apply(op, like(y, x), y); }
BRAZE_EXPR_BINARY(operator+, Op::add_)
BRAZE_EXPR_BINARY(operator-, Op::sub_)
BRAZE_EXPR_BINARY(operator*, Op::mul_)
BRAZE_EXPR_BINARY(operator/, Op::div_)
BRAZE_EXPR_BINARY(operator<, Op::lt_)
BRAZE_EXPR_BINARY(operator<=, Op::le_)
BRAZE_EXPR_BINARY(operator>, Op::gt_)
BRAZE_EXPR_BINARY(operator>=, Op::ge_)
BRAZE_EXPR_BINARY(operator==, Op::eq_)
BRAZE_EXPR_BINARY(operator!=, Op::ne_)
#undef BRAZE_EXPR_BINARY
inline Expr operator-(const Expr& x) { return apply(Op::neg_, x); }
inline Expr both(const Expr& x, const Expr& y) { return apply(Op::and_, x, y); }
inline Expr either(const Expr& x, const Expr& y) { return apply(Op::or_, x, y); }

}  // namespace braze
