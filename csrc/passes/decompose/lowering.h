// One ATen call on its way to primitives: its arguments read with their types, and the places its results go. A
// lowering is a function of one Lowering; whatever it cannot express it refuses, and PyTorch runs the call. One
// function serves `add`, `add_` and `add.out`: reads see the arguments without out tensors, and set() knows where a
// result goes.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "graph/graph.h"
#include "passes/decompose/expr.h"
#include "passes/decompose/promotion.h"

namespace braze {

class Lowering {
 public:
  /// `node` must outlive this and be an extern call whose results are values of `graph` without a producer yet.
  /// `read`: by value, whether anything reads it.
  Lowering(Graph& graph, const Node& node, const std::vector<char>& read);

  Builder& builder() { return builder_; }
  /// "add" for aten::add.Tensor, aten::add_.Tensor and aten::add.out.
  std::string_view name() const { return name_; }
  std::string_view overload() const { return node_.call.overload; }
  bool refused() const { return builder_.refused(); }
  void refuse() { builder_.refuse(); }
  /// Refuses a form that other sizes would not have where the program is to hold for many.
  void require_one_size() { require(!graph_.sizes_vary); }
  /// Refuses unless `condition` holds.
  bool require(bool condition);

  // Arguments, by schema position, without the out tensors. Reading one as what it is not refuses.
  size_t count() const { return count_; }
  bool is_none(size_t i) const;
  bool is_number(size_t i) const;
  bool is_memory(size_t i) const;
  const ExternArg& arg(size_t i) const;
  /// A tensor or a Python number as it is; a number is b1, i64 or f64.
  Expr raw(size_t i);
  /// As `common`'s computation needs it: cast to `common`, then to opmath(common).
  Expr in(size_t i, DType common);
  /// A Python number (or 1-element constant) at opmath(common), not rounded to a half `common` in between.
  Expr coefficient(size_t i, DType common);
  /// A tensor of one number a channel, lined up with dim 1 of a tensor of `rank` dims.
  Expr channel_parameter(size_t i, size_t rank, DType common);
  /// `x` where `condition` holds; where it does not the kernel reports failure, and the call runs eagerly. `i`: any
  /// tensor with elements.
  Expr checked(const Expr& condition, const Expr& x, size_t i);
  /// The tensor's own dtype; refuses for stored-only ones.
  DType dtype(size_t i);
  const std::vector<int64_t>& sizes(size_t i);
  const Access& memory(size_t i);
  std::vector<Expr> tensors(size_t i);
  /// An operand by its position in the node, for lists with absent tensors.
  Expr operand(int position);
  double real(size_t i);
  int64_t integer(size_t i);
  bool flag(size_t i);
  std::string_view text(size_t i);
  std::vector<int64_t> integers(size_t i);
  std::optional<DType> dtype_argument(size_t i);
  /// A dim argument, wrapped to [0, rank).
  int dim(size_t i, size_t rank);
  /// A list of dims (or one, or none: all), wrapped, without repeats.
  std::vector<int> dims(size_t i, size_t rank);

  /// `dtype`, or for integers the default dtype, which a fresh first result has to show.
  DType floating(DType dtype);
  /// torch's common dtype of some arguments; refuses when they hold something our kernels do not compute with.
  DType common_dtype(const std::vector<size_t>& positions);

  // Results.
  bool is_functional() const { return mode_ == Mode::Functional; }
  bool is_in_place() const { return mode_ == Mode::InPlace; }
  /// False for a result that was not recorded.
  bool wanted(size_t k = 0) const;
  /// Whether anything reads the k-th result; one that nothing reads need not be set.
  bool is_read(size_t k = 0) const;
  DType result_dtype(size_t k = 0);
  const std::vector<int64_t>& result_sizes(size_t k = 0);
  Geometry result_shape(size_t k = 0);
  /// The k-th result is `x`, rounded to `common` (the dtype eager computes at) and then cast to where it goes. A
  /// functional call's recorded dtype has to be `common`.
  void set(size_t k, const Expr& x, DType common);
  void set(const Expr& x, DType common) { set(0, x, common); }
  /// The k-th result is `x`, whose dtype is eager's own.
  void set(size_t k, const Expr& x) { set(k, x, x.dtype()); }
  void set(const Expr& x) { set(0, x, x.dtype()); }
  /// A fresh result computed in other dims over the same memory: `x` is the whole of its value, whose shape has to be
  /// `shape`.
  void set_in_shape(size_t k, const Expr& x, DType common, const Geometry& shape);

  /// The first result is a copy of the first argument, seen in other dims on both sides: what `from` shows of the one
  /// is written through `to`, which covers the other.
  void set_seen(const Geometry& from, const Geometry& to);

  /// Sets the results where they have no elements and no operand has integers, which might be out of range. False when
  /// there is something to compute.
  bool set_if_empty();

  /// The new contents of an argument that is written besides the fresh results (running statistics).
  void set_written(size_t i, const Expr& x);

  /// Puts everything that was set in its place. False when the call was refused or a result is missing.
  bool finish();

 private:
  enum class Mode { Functional, InPlace, Out };
  struct Pending {
    int position;  // in the node's results
    Expr value;
    int target;  // operand written; -1: a fresh result
    bool any_shape = false;
  };
  void find_mode();
  std::vector<ValueId> fresh_results() const;
  const std::vector<int64_t>& no_sizes();
  int operand_of(size_t i) const;
  int result_of(size_t k) const;
  bool rename(ValueId result, const Expr& x, bool any_shape = false);
  void place(const Pending& pending);

  Graph& graph_;
  const Node& node_;
  const std::vector<char>& read_;
  Builder builder_;
  size_t first_node_;
  ValueId first_value_;
  std::string_view name_;
  Mode mode_ = Mode::Functional;
  size_t count_ = 0;
  std::vector<int> targets_;  // operand positions written, InPlace and Out
  std::vector<Pending> pending_;
};

/// Positions 0 .. rank-1.
std::vector<int> all_dims(size_t rank);

}  // namespace braze
