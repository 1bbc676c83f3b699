// The meaning of the reductions.
#include "backends/reference/reduce.h"

#include <cmath>
#include <limits>

#include "ops/evaluate.h"
#include "support/error.h"

namespace braze {
namespace {

bool is_nan(const Scalar& x) { return is_floating(x.dtype) && std::isnan(x.as_double()); }

bool less(const Scalar& a, const Scalar& b) {
  return is_floating(a.dtype) ? a.as_double() < b.as_double() : a.as_int() < b.as_int();
}

Scalar worst(DType dtype, bool of_max) {
  if (is_floating(dtype)) return Scalar::of_double(dtype, of_max ? -INFINITY : INFINITY);
  if (dtype == DType::b1 || dtype == DType::u8) return Scalar::of_int(dtype, of_max ? 0 : dtype == DType::b1 ? 1 : 255);
  const int64_t lowest = std::numeric_limits<int64_t>::min() >> (64 - 8 * info(dtype).bytes);
  return Scalar::of_int(dtype, of_max ? lowest : ~lowest);
}

}  // namespace

bool Reduction::better(const Scalar& element) const {
  if (count_ == 0) return true;
  if (is_nan(best_)) return false;
  if (is_nan(element)) return true;
  const bool smallest = op_ == Op::min_ || op_ == Op::argmin_;
  return smallest ? less(element, best_) : less(best_, element);
}

void Reduction::add(const Scalar& element) {
  const bool first = count_ == 0;
  if (op_ == Op::sum_ || op_ == Op::prod_ || op_ == Op::dot_) {
    const double x = element.as_double();
    const uint64_t n = static_cast<uint64_t>(is_floating(from_) ? 0 : element.as_int());
    total_ = first ? x : op_ == Op::prod_ ? total_ * x : total_ + x;
    integer_ = first ? n : op_ == Op::prod_ ? integer_ * n : integer_ + n;
  } else if (op_ == Op::any_ || op_ == Op::all_) {
    const uint64_t n = element.as_int() != 0;
    integer_ = first ? n : op_ == Op::any_ ? integer_ | n : integer_ & n;
  } else if (better(element)) {
    best_ = element;
    position_ = count_;
  }
  ++count_;
}

Scalar Reduction::result() const {
  switch (op_) {
    case Op::sum_:
    case Op::dot_:
    case Op::prod_: {
      const bool none = count_ == 0;
      const int64_t unit = op_ == Op::prod_ ? 1 : 0;
      if (is_floating(from_))
        return convert(Scalar::of_double(DType::f64, none ? static_cast<double>(unit) : total_), from_);
      return convert(Scalar::of_int(DType::i64, none ? unit : static_cast<int64_t>(integer_)), from_);
    }
    case Op::any_: return Scalar::of_int(DType::b1, count_ > 0 && integer_ != 0);
    case Op::all_: return Scalar::of_int(DType::b1, count_ == 0 || integer_ != 0);
    case Op::min_: return count_ == 0 ? worst(from_, false) : best_;
    case Op::max_: return count_ == 0 ? worst(from_, true) : best_;
    case Op::argmin_:
    case Op::argmax_: return Scalar::of_int(DType::i64, position_);
    default: throw Error(Error::Kind::Internal, "not a reduction: " + std::string(info(op_).name));
  }
}

}  // namespace braze
