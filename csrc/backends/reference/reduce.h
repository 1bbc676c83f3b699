// What every reduction means, element by element in order. Floating sums and products are carried in double.
#pragma once

#include "ops/op.h"
#include "ops/scalar.h"

namespace braze {

class Reduction {
 public:
  Reduction(Op op, DType from) : op_(op), from_(from) {}

  void add(const Scalar& element);
  /// For a dot: the product of two elements.
  void add(const Scalar& a, const Scalar& b) { add(Scalar::of_double(DType::f64, a.as_double() * b.as_double())); }
  /// The result so far; of nothing: 0, 1, the worst value of the dtype, false, true or position 0.
  Scalar result() const;

 private:
  bool better(const Scalar& element) const;

  Op op_;
  DType from_;
  int64_t count_ = 0;
  int64_t position_ = 0;
  double total_ = 0;
  uint64_t integer_ = 0;
  Scalar best_;
};

}  // namespace braze
