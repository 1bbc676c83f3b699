// A kernel as text, and back. The text is canonical: equal kernels print equally and nothing is left out that code
// depends on.
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "schedule/kernel.h"
#include "schedule/kernel_laws.h"
#include "schedule/size_params.h"
#include "support/error.h"

namespace braze {
namespace {

constexpr uint64_t kPlainNan = 0x7ff8000000000000;

std::string number(const Scalar& scalar) {
  if (!is_floating(scalar.dtype)) return std::to_string(scalar.as_int());
  const double value = scalar.as_double();
  char text[40];
  if (std::isnan(value)) {
    if (scalar.bits == kPlainNan) return "nan";
    std::snprintf(text, sizeof text, "nan:%016llx", static_cast<unsigned long long>(scalar.bits));
  } else {
    std::snprintf(text, sizeof text, "%a", value);
  }
  return text;
}

template <typename It>
std::string list(It begin, It end) {
  std::string text = "[";
  for (It it = begin; it != end; ++it) text += (it == begin ? "" : ",") + size_text(*it);
  return text + "]";
}

std::string place(const Instr& in) { return list(in.strides.begin(), in.strides.end()) + "+" + size_text(in.offset); }

std::string constant(const Instr& in) {
  return in.size < 0 ? number(in.immediate) : (in.reciprocal ? "1/" : "") + size_text(size_param(in.size));
}

std::string print(const Instr& in, size_t position) {
  const std::string memory = "p" + std::to_string(in.param) + " " + place(in);
  if (in.kind == InstrKind::Store)
    return std::string("store ") + (in.row ? "row " : "") + memory + " %" + std::to_string(in.args[0]);
  std::string text =
      "%" + std::to_string(position) + ": " + std::string(info(in.dtype).name) + (in.row ? " row = " : " = ");
  switch (in.kind) {
    case InstrKind::Constant: return text + "const " + constant(in);
    case InstrKind::Load: return text + "load " + memory;
    case InstrKind::Index: return text + "index " + place(in);
    case InstrKind::Gather: text += "gather " + memory; break;
    default: text += info(in.op).name; break;
  }
  for (size_t i = 0; i < in.args.size(); ++i) {
    text += (i == 0 ? " %" : ", %") + std::to_string(in.args[i]);
    if (in.kind == InstrKind::Gather)
      text += " of " + size_text(in.indexed[i].size) + " by " + size_text(in.indexed[i].stride);
  }
  return text;
}

class Parser {
 public:
  explicit Parser(const std::string& text) : rest_(text) {}

  Kernel run() {
    next_line();
    header();
    next_line();
    params();
    while (!rest_.empty()) {
      next_line();
      lines_.push_back(line_number_);
      instr();
    }
    if (auto broken = broken_law(kernel_)) {
      line_number_ = broken->instr < 0 ? 1 : lines_[broken->instr];
      fail(broken->message);
    }
    return std::move(kernel_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(Error::Kind::User, "kernel text, line " + std::to_string(line_number_) + ": " + what);
  }

  void next_line() {
    ++line_number_;
    if (rest_.empty()) fail("the text ends too early");
    const size_t end = rest_.find('\n');
    if (end == std::string_view::npos) fail("the line is cut off");
    line_ = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
  }

  void end_line() const {
    if (!line_.empty()) fail("unexpected '" + std::string(line_.substr(0, 20)) + "'");
  }

  bool accept(std::string_view token) {
    if (!line_.starts_with(token)) return false;
    line_.remove_prefix(token.size());
    return true;
  }

  void expect(std::string_view token) {
    if (!accept(token)) fail("expected '" + std::string(token) + "'");
  }

  int64_t integer() {
    int64_t value = 0;
    auto [end, error] = std::from_chars(line_.data(), line_.data() + line_.size(), value);
    if (error != std::errc()) fail("expected a number");
    line_.remove_prefix(end - line_.data());
    return value;
  }

  /// A number that is not negative, or a size parameter.
  int64_t integer_or_size() {
    if (accept("s")) return size_param(position());
    const int64_t value = integer();
    if (value < 0) fail("a number is negative");
    return value;
  }

  int small() {
    const int64_t value = integer();
    if (value < -1 || value > 1'000'000) fail("a number is out of range");
    return static_cast<int>(value);
  }

  int position() {
    const int value = small();
    if (value < 0) fail("a number is negative");
    return value;
  }

  std::string_view word() {
    size_t end = 0;
    while (end < line_.size() && (std::isalnum(static_cast<unsigned char>(line_[end])) || line_[end] == '_')) ++end;
    if (end == 0) fail("expected a word");
    std::string_view text = line_.substr(0, end);
    line_.remove_prefix(end);
    return text;
  }

  DType dtype() {
    auto found = dtype_from_name(word());
    if (!found) fail("no such dtype");
    return *found;
  }

  std::vector<int64_t> integers() {
    std::vector<int64_t> values;
    expect("[");
    if (accept("]")) return values;
    do values.push_back(integer_or_size());
    while (accept(","));
    expect("]");
    return values;
  }

  void header() {
    expect("kernel parallel=");
    kernel_.axes = integers();
    expect(" reduce=");
    const std::vector<int64_t> reduced = integers();
    kernel_.axes.insert(kernel_.axes.end(), reduced.begin(), reduced.end());
    kernel_.reduce_axes = static_cast<int>(reduced.size());
    expect(" vector=");
    kernel_.vector_axis = small();
    if (accept(" sizes=")) kernel_.size_params = small();
    end_line();
  }

  void params() {
    expect("  params:");
    while (!line_.empty()) {
      if (!kernel_.params.empty()) expect(",");
      expect(" p");
      if (small() != static_cast<int>(kernel_.params.size())) fail("params are numbered from 0");
      expect(" ");
      KernelParam param;
      param.dtype = dtype();
      param.written = accept(" out");
      kernel_.params.push_back(param);
    }
  }

  void memory(Instr& in) {
    expect(" p");
    in.param = small();
    expect(" ");
    place(in);
  }

  void place(Instr& in) {
    in.strides = integers();
    expect("+");
    in.offset = integer_or_size();
  }

  int argument() {
    expect("%");
    const int arg = small();
    if (arg < 0 || arg >= static_cast<int>(kernel_.body.size())) fail("an operand is not an earlier instruction");
    return arg;
  }

  void instr() {
    Instr in;
    expect("  ");
    if (accept("store")) {
      in.kind = InstrKind::Store;
      in.row = accept(" row");
      memory(in);
      expect(" ");
      in.args = {argument()};
      in.dtype = kernel_.body[in.args[0]].dtype;
    } else {
      expect("%");
      if (small() != static_cast<int>(kernel_.body.size())) fail("instructions are numbered by position");
      expect(": ");
      in.dtype = dtype();
      in.row = accept(" row");
      expect(" = ");
      operation(in);
    }
    end_line();
    kernel_.body.push_back(std::move(in));
  }

  void operation(Instr& in) {
    const std::string_view name = word();
    if (name == "const") {
      in.kind = InstrKind::Constant;
      expect(" ");
      constant(in);
    } else if (name == "load") {
      in.kind = InstrKind::Load;
      memory(in);
    } else if (name == "index") {
      in.kind = InstrKind::Index;
      expect(" ");
      place(in);
    } else if (name == "gather") {
      in.kind = InstrKind::Gather;
      memory(in);
      arguments(in);
    } else {
      auto op = op_from_name(name);
      if (!op || (info(*op).cls != OpClass::Elementwise && info(*op).cls != OpClass::Reduce)) fail("no such operation");
      in.kind = info(*op).cls == OpClass::Reduce ? InstrKind::Reduce : InstrKind::Elementwise;
      in.op = *op;
      arguments(in);
    }
  }

  void arguments(Instr& in) {
    expect(" ");
    do {
      in.args.push_back(argument());
      if (in.kind != InstrKind::Gather) continue;
      IndexedDim dim;
      expect(" of ");
      dim.size = integer_or_size();
      expect(" by ");
      dim.stride = integer_or_size();
      in.indexed.push_back(dim);
    } while (accept(", "));
  }

  void constant(Instr& in) {
    in.reciprocal = accept("1/");
    if (accept("s")) {
      in.size = position();
      in.immediate = {in.dtype, 0};
    } else if (in.reciprocal) {
      fail("expected a size parameter");
    } else {
      in.immediate = scalar(in.dtype);
    }
  }

  Scalar scalar(DType dtype) {
    if (!is_floating(dtype)) return Scalar::of_int(dtype, integer());
    if (accept("nan:")) {
      uint64_t bits = 0;
      auto [end, error] = std::from_chars(line_.data(), line_.data() + line_.size(), bits, 16);
      Scalar value{dtype, bits};
      if (error != std::errc() || !std::isnan(value.as_double())) fail("expected the bits of a nan");
      line_.remove_prefix(end - line_.data());
      return value;
    }
    if (accept("nan")) return {dtype, kPlainNan};
    const bool negative = accept("-");
    if (!accept("inf")) return hex_float(dtype, negative);
    return Scalar::of_double(dtype, negative ? -INFINITY : INFINITY);
  }

  Scalar hex_float(DType dtype, bool negative) {
    expect("0x");
    double value = 0;
    auto [end, error] = std::from_chars(line_.data(), line_.data() + line_.size(), value, std::chars_format::hex);
    if (error != std::errc()) fail("expected a hexadecimal number");
    line_.remove_prefix(end - line_.data());
    return Scalar::of_double(dtype, negative ? -value : value);
  }

  std::string_view rest_, line_;
  int line_number_ = 0;
  std::vector<int> lines_;
  Kernel kernel_;
};

}  // namespace

std::string print(const Kernel& kernel) {
  const auto reduced = kernel.axes.begin() + kernel.parallel_axes();
  std::string text = "kernel parallel=" + list(kernel.axes.begin(), reduced) +
                     " reduce=" + list(reduced, kernel.axes.end()) + " vector=" + std::to_string(kernel.vector_axis) +
                     (kernel.is_parametric() ? " sizes=" + std::to_string(kernel.size_params) : "") + "\n  params:";
  for (size_t i = 0; i < kernel.params.size(); ++i)
    text += (i == 0 ? " p" : ", p") + std::to_string(i) + " " + std::string(info(kernel.params[i].dtype).name) +
            (kernel.params[i].written ? " out" : "");
  text += "\n";
  for (size_t i = 0; i < kernel.body.size(); ++i) text += "  " + print(kernel.body[i], i) + "\n";
  return text;
}

Kernel parse_kernel(const std::string& text) { return Parser(text).run(); }

}  // namespace braze
