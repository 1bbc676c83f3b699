// The laws of the Loop IR. The checks trust nothing, because kernel text also comes from files.
#include "schedule/kernel_laws.h"

#include <algorithm>

#include "schedule/attention_form.h"
#include "schedule/recurrence_form.h"

namespace braze {
namespace {

constexpr int64_t kLargest = int64_t{1} << 56;  // no address or count that a machine could hold comes near it
constexpr int kMostSizeParams = 1 << 16;

class Checker {
 public:
  explicit Checker(const Kernel& kernel) : k_(kernel) {}

  std::optional<BrokenLaw> run() {
    if (!header()) return BrokenLaw{-1, message_};
    for (at_ = 0; at_ < static_cast<int>(k_.body.size()); ++at_)
      if (!instr(k_.body[at_])) return BrokenLaw{at_, message_};
    return std::nullopt;
  }

 private:
  bool fail(const std::string& what) {
    message_ = what;
    return false;
  }

  bool header() {
    const int axes = static_cast<int>(k_.axes.size());
    if (axes > 64) return fail("a kernel has at most 64 axes");
    if (k_.reduce_axes < 0 || k_.reduce_axes > axes) return fail("more reduce axes than axes");
    if (k_.vector_axis < -1 || k_.vector_axis >= axes) return fail("the vector axis is not an axis");
    if (k_.vector_axis >= 0 && k_.vector_axis != axes - 1 && k_.vector_axis != k_.parallel_axes() - 1)
      return fail("the vector axis is neither the last parallel nor the last reduce axis");
    if (k_.size_params < 0 || k_.size_params > kMostSizeParams) return fail("too many size parameters");
    int64_t points = 1;
    for (int64_t extent : k_.axes) {
      if (is_known_size(extent)) continue;
      if (extent < 1 || extent > kLargest / points)
        return fail("an extent is not positive, or there are too many points");
      points *= extent;
    }
    for (const KernelParam& param : k_.params)
      if (info(param.dtype).kind == DTypeKind::Stored) return fail("a param's dtype is for library operators only");
    return true;
  }

  bool instr(const Instr& in) {
    if (in.row && k_.reduce_axes == 0) return fail("level row without reduce axes");
    if (info(in.dtype).kind == DTypeKind::Stored) return fail("a dtype for library operators only");
    for (int arg : in.args) {
      if (arg < 0 || arg >= at_) return fail("an operand is not an earlier instruction");
      if (k_.body[arg].kind == InstrKind::Store) return fail("an operand is a store");
      if (in.row && in.kind != InstrKind::Reduce && !uniform(arg))
        return fail("a row instruction reads an element value");
    }
    switch (in.kind) {
      case InstrKind::Constant: return constant(in);
      case InstrKind::Load: return args(in, 0) && param(in, false) && address(in);
      case InstrKind::Gather: return gather(in);
      case InstrKind::Index: return args(in, 0) && expect(in.dtype == DType::i64, "an index is i64") && address(in);
      case InstrKind::Elementwise: return elementwise(in);
      case InstrKind::Reduce: return reduce(in);
      case InstrKind::Store: return store(in);
    }
    return fail("unknown instruction");
  }

  bool is_known_size(int64_t integer) const {
    return is_size_param(integer) && integer >= size_param(k_.size_params - 1) && k_.size_params > 0;
  }

  bool expect(bool condition, const char* what) { return condition || fail(what); }
  bool args(const Instr& in, size_t count) { return expect(in.args.size() == count, "wrong number of operands"); }
  bool uniform(int arg) const { return k_.body[arg].row || k_.body[arg].kind == InstrKind::Constant; }
  DType dtype(const Instr& in, size_t arg) const { return k_.body[in.args[arg]].dtype; }

  bool constant(const Instr& in) {
    if (in.size >= 0 && (in.size >= k_.size_params || in.dtype == DType::b1)) return fail("no such size parameter");
    if (in.reciprocal && (in.size < 0 || !is_floating(in.dtype))) return fail("a reciprocal of no size");
    return args(in, 0) && expect(!in.row, "a constant has no level") &&
           expect(in.immediate.dtype == in.dtype, "a constant's dtype differs from its instruction's");
  }

  bool param(const Instr& in, bool written) {
    if (in.param < 0 || in.param >= static_cast<int>(k_.params.size())) return fail("no such param");
    if (written && !k_.params[in.param].written) return fail("a store into a param that is not out");
    return expect(k_.params[in.param].dtype == in.dtype, "the param has another dtype");
  }

  bool address(const Instr& in) {
    if (in.strides.size() != k_.axes.size()) return fail("one stride an axis is needed");
    int64_t room = kLargest;
    if (!is_known_size(in.offset)) {
      if (in.offset < 0 || in.offset > room) return fail("an offset is out of range");
      room -= in.offset;
    }
    for (size_t a = 0; a < in.strides.size(); ++a) {
      const int64_t extent = is_known_size(k_.axes[a]) ? 1 : k_.axes[a];
      if (!is_known_size(in.strides[a])) {
        if (in.strides[a] < 0 || in.strides[a] > room / extent) return fail("a stride is out of range");
        room -= in.strides[a] * (extent - 1);
      }
      if (in.row && static_cast<int>(a) >= k_.parallel_axes() && in.strides[a] != 0)
        return fail("a row instruction moves along a reduce axis");
    }
    return true;
  }

  bool gather(const Instr& in) {
    if (!param(in, false) || !address(in)) return false;
    if (in.args.empty() || in.args.size() != in.indexed.size())
      return fail("a gather needs an index for each indexed dim");
    for (size_t i = 0; i < in.args.size(); ++i) {
      if (dtype(in, i) != DType::i64) return fail("an index operand is not i64");
      const IndexedDim& dim = in.indexed[i];
      const int64_t size = is_known_size(dim.size) ? 1 : dim.size;
      const int64_t stride = is_known_size(dim.stride) ? 1 : dim.stride;
      if (size < 0 || size > kLargest || stride < 0 || stride > kLargest / std::max<int64_t>(size, 1))
        return fail("an indexed dim is out of range");
    }
    return true;
  }

  bool elementwise(const Instr& in) {
    const OpInfo& op = info(in.op);
    if (op.cls != OpClass::Elementwise) return fail("not an elementwise op");
    if (!args(in, op.arity)) return false;
    if (in.op == Op::cast_) return true;
    auto half = [](DType d) { return info(d).kind == DTypeKind::Half; };
    const size_t first = in.op == Op::where_ ? 1 : 0;
    if (first == 1 && dtype(in, 0) != DType::b1) return fail("a condition is not b1");
    for (size_t i = first; i < in.args.size(); ++i) {
      if (half(dtype(in, i))) return fail("arithmetic on a half type");
      if (dtype(in, i) != dtype(in, first)) return fail("operands of different dtypes");
    }
    const DType result = op.has(Compares) ? DType::b1 : dtype(in, first);
    return expect(in.dtype == result, "the result has the wrong dtype");
  }

  bool reduce(const Instr& in) {
    if (info(in.op).cls != OpClass::Reduce) return fail("not a reduction");
    if (!args(in, info(in.op).arity)) return false;
    if (k_.reduce_axes == 0 || !in.row) return fail("a reduction needs reduce axes and makes a row value");
    for (int arg : in.args)
      if (k_.body[arg].row) return fail("a reduction of a row value");
    const DType from = dtype(in, 0);
    if (is_attention(in.op) && !attention_form(k_)) return fail("attention in a kernel of another form");
    if (is_recurrence(in.op) && !recurrence_form(k_)) return fail("a recurrent layer in a kernel of another form");
    if (in.op == Op::dot_ && (!is_floating(from) || dtype(in, 1) != from)) return fail("a dot of other than floats");
    if (info(from).kind == DTypeKind::Half) return fail("a reduction of a half type");
    const bool position = in.op == Op::argmin_ || in.op == Op::argmax_;
    const bool logical = in.op == Op::any_ || in.op == Op::all_;
    if (logical && from != DType::b1) return fail("any and all reduce b1");
    return expect(in.dtype == (position ? DType::i64 : from), "the result has the wrong dtype");
  }

  bool store(const Instr& in) {
    if (!args(in, 1) || !param(in, true) || !address(in)) return false;
    if (dtype(in, 0) != in.dtype) return fail("a store of another dtype than its value's");
    for (size_t a = 0; a < in.strides.size(); ++a) {
      const bool varies = static_cast<int>(a) < k_.parallel_axes() || !in.row;
      if (varies && in.strides[a] == 0 && k_.axes[a] != 1) return fail("a store writes one place at several points");
    }
    return true;
  }

  const Kernel& k_;
  int at_ = 0;
  std::string message_;
};

}  // namespace

std::optional<BrokenLaw> broken_law(const Kernel& kernel) { return Checker(kernel).run(); }

}  // namespace braze
