// One cursor a line. Numbers are bounded here, so that no sum of sizes and strides in later code can overflow.
#include "graph/parse.h"

#include <cctype>

#include "support/error.h"
#include "support/number_text.h"

namespace braze {
namespace {

constexpr int64_t kMaxNumber = int64_t{1} << 56;
constexpr size_t kMaxDims = 64;
constexpr int64_t kMaxValueId = 1 << 20;

class GraphParser {
 public:
  Graph parse(std::string_view text) {
    while (!text.empty()) {
      size_t end = text.find('\n');
      rest_ = text.substr(0, end);
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
      ++line_number_;
      skip_spaces();
      if (!rest_.empty() && !rest_.starts_with("//")) line();
    }
    if (!started_) fail("the text does not start with `graph`");
    return std::move(graph_);
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    throw Error(Error::Kind::User, "graph text, line " + std::to_string(line_number_) + ": " + message + " (at \"" +
                                       std::string(rest_.substr(0, 40)) + "\")");
  }

  void skip_spaces() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\t' || rest_[0] == '\r')) rest_.remove_prefix(1);
  }

  bool accept(std::string_view token) {
    skip_spaces();
    if (!rest_.starts_with(token)) return false;
    bool is_word = std::isalnum(static_cast<unsigned char>(token.back()));
    if (is_word && rest_.size() > token.size() && is_word_char(rest_[token.size()])) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  void expect(std::string_view token) {
    if (!accept(token)) fail("expected `" + std::string(token) + "`");
  }

  static bool is_word_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

  std::string_view take_while(auto&& wanted) {
    skip_spaces();
    size_t n = 0;
    while (n < rest_.size() && wanted(rest_[n])) ++n;
    std::string_view token = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return token;
  }

  std::string_view word() { return take_while(is_word_char); }

  int64_t raw_int() {
    skip_spaces();
    size_t n = rest_.starts_with('-') ? 1 : 0;
    while (n < rest_.size() && std::isdigit(static_cast<unsigned char>(rest_[n]))) ++n;
    auto value = int_from_text(rest_.substr(0, n));
    if (!value) fail("expected a whole number");
    rest_.remove_prefix(n);
    return *value;
  }

  int64_t bounded(int64_t low, int64_t high) {
    int64_t value = raw_int();
    if (value < low || value > high) fail("the number " + std::to_string(value) + " is out of range");
    return value;
  }

  /// [item, item, ...] after its opening bracket.
  template <typename Item>
  auto list(std::string_view close, Item item) {
    std::vector<decltype(item())> items;
    if (accept(close)) return items;
    do items.push_back(item());
    while (accept(","));
    expect(close);
    return items;
  }

  static std::string_view number_chars(std::string_view text) {
    size_t n = 0;
    while (n < text.size() && (is_word_char(text[n]) || text[n] == '.' || text[n] == '-' ||
                               (text[n] == '+' && n > 0 && text[n - 1] == 'p')))
      ++n;
    if (text.substr(0, n) == "nan" && text.substr(n).starts_with(":0x")) {
      n += 3;
      while (n < text.size() && is_word_char(text[n])) ++n;
    }
    return text.substr(0, n);
  }

  /// A number token, not yet consumed.
  std::string_view peek_number() {
    skip_spaces();
    return number_chars(rest_);
  }

  double real() {
    std::string_view token = peek_number();
    auto value = double_from_text(token);
    if (!value) fail("expected a hexadecimal float");
    rest_.remove_prefix(token.size());
    return *value;
  }

  std::string text() {
    skip_spaces();
    size_t length = 0;
    auto value = unquoted(rest_, length);
    if (!value) fail("expected a quoted string");
    rest_.remove_prefix(length);
    return *value;
  }

  DType dtype() {
    std::string_view name = word();
    auto found = dtype_from_name(name);
    if (!found) fail("no dtype is called `" + std::string(name) + "`");
    return *found;
  }

  Geometry geometry() {
    Geometry g;
    auto number = [&] { return bounded(0, kMaxNumber); };
    expect("[");
    g.sizes = list(":", number);
    g.strides = list("]", number);
    if (g.sizes.size() != g.strides.size() || g.sizes.size() > kMaxDims)
      fail("sizes and strides do not fit each other");
    if (accept("+")) g.offset = number();
    __int128 numel = 1, last = g.offset;
    for (size_t i = 0; i < g.sizes.size(); ++i) {
      if (g.sizes[i] == 0) continue;
      numel *= g.sizes[i];
      last += static_cast<__int128>(g.sizes[i] - 1) * g.strides[i];
      if (numel > kMaxNumber || last > kMaxNumber) fail("the geometry is too large");
    }
    return g;
  }

  ValueId value_id() {
    expect("%");
    return static_cast<ValueId>(bounded(0, kMaxValueId));
  }

  ValueId known_value() {
    ValueId id = value_id();
    if (id >= static_cast<ValueId>(defined_.size()) || !defined_[id])
      fail("%" + std::to_string(id) + " is not defined yet");
    return id;
  }

  ValueId definition() {
    ValueId id = value_id();
    expect(":");
    Value value;
    value.dtype = dtype();
    value.shape = geometry();
    value.length = value.shape.extent();
    if (accept("/")) value.length = bounded(0, kMaxNumber);
    value.frozen = accept("frozen");
    if (id >= static_cast<ValueId>(defined_.size())) {
      defined_.resize(id + 1);
      graph_.values.resize(id + 1);
    }
    if (defined_[id]) fail("%" + std::to_string(id) + " is defined twice");
    pending_.push_back(id);
    graph_.values[id] = std::move(value);
    return id;
  }

  void define_pending() {
    for (ValueId id : pending_) {
      if (defined_[id]) fail("%" + std::to_string(id) + " is defined twice");
      defined_[id] = true;
    }
    pending_.clear();
  }

  Operand operand() {
    skip_spaces();
    if (rest_.starts_with('%')) {
      ValueId id = known_value();
      return Access{id, geometry()};
    }
    std::string_view token = peek_number();
    auto as_double = double_from_text(token);
    auto as_int = int_from_text(token);
    if (!as_double && !as_int) fail("expected an operand");
    rest_.remove_prefix(token.size());
    expect(":");
    DType type = dtype();
    if (is_floating(type) != as_double.has_value()) fail("the number's form does not fit its dtype");
    return as_double ? Scalar::of_double(type, *as_double) : Scalar::of_int(type, *as_int);
  }

  std::string call_word() {
    skip_spaces();
    if (rest_.starts_with('"')) return text();
    std::string_view name = take_while([](char c) { return is_word_char(c) || c == ':'; });
    if (name.empty()) fail("expected a name");
    return std::string(name);
  }

  int tensor() {
    expect("$");
    if (accept("none")) return -1;
    return static_cast<int>(bounded(0, kMaxValueId));
  }

  bool truth() {
    if (accept("true")) return true;
    expect("false");
    return false;
  }

  ExternArg argument() {
    skip_spaces();
    if (rest_.starts_with('$')) return TensorArg{tensor()};
    if (rest_.starts_with('"')) return text();
    if (accept("none")) return NoneArg{};
    if (accept("true")) return true;
    if (accept("false")) return false;
    if (accept("[")) return list("]", [&] { return raw_int(); });
    if (accept("tensors")) {
      expect("[");
      return TensorListArg{list("]", [&] { return tensor(); })};
    }
    if (accept("doubles")) {
      expect("[");
      return list("]", [&] { return real(); });
    }
    if (accept("bools")) {
      expect("[");
      return list("]", [&] { return truth(); });
    }
    if (accept("named")) {
      std::string kind = text();
      return NamedArg{kind, text()};
    }
    if (accept("complex")) {
      expect("(");
      double re = real();
      expect(",");
      double im = real();
      expect(")");
      return ComplexArg{re, im};
    }
    std::string_view token = peek_number();
    if (auto number = int_from_text(token)) {
      rest_.remove_prefix(token.size());
      return *number;
    }
    return real();
  }

  ExternCall call() {
    ExternCall call;
    call.op = call_word();
    if (accept(".")) call.overload = call_word();
    expect("(");
    call.args = list(")", [&] { return argument(); });
    if (accept("mutates")) {
      expect("(");
      call.mutates = list(")", [&] {
        int from = static_cast<int>(bounded(0, kMaxValueId));
        expect("->");
        return std::pair<int, int>(from, static_cast<int>(bounded(0, kMaxValueId)));
      });
    }
    if (accept("returns")) {
      expect("(");
      call.returns = list(")", [&] { return static_cast<int>(bounded(-1, kMaxValueId)); });
    }
    return call;
  }

  void node() {
    Node node;
    skip_spaces();
    if (rest_.starts_with('%')) {
      do node.results.push_back(definition());
      while (accept(","));
      expect("=");
    }
    std::string_view name = word();
    auto op = op_from_name(name);
    if (!op) fail("no op is called `" + std::string(name) + "`");
    node.op = *op;
    if (node.op == Op::index_) {
      expect("dim");
      expect("=");
      node.dim = static_cast<int>(bounded(0, kMaxDims));
    }
    if (info(node.op).cls == OpClass::Reduce) {
      expect("dims");
      expect("=");
      expect("[");
      node.reduce_dims = list("]", [&] { return static_cast<int>(bounded(0, kMaxDims)); });
    }
    if (accept("at")) {
      if (node.op != Op::update_) fail("only update has a region");
      node.region = geometry();
    }
    if (node.op == Op::extern_) node.call = call();
    skip_spaces();
    if (node.op != Op::extern_ || accept("of")) operands(node);
    comment(node);
    define_pending();
    graph_.append(std::move(node));
  }

  void operands(Node& node) {
    skip_spaces();
    if (rest_.empty() || rest_[0] == '#') return;
    do {
      node.operands.push_back(operand());
      if (!accept("{")) continue;
      if (node.op != Op::gather_ || node.operands.size() < 2) fail("only an index operand of gather has {size*stride}");
      IndexedDim dim{bounded(0, kMaxNumber), 0};
      expect("*");
      dim.stride = bounded(0, kMaxNumber);
      expect("}");
      node.indexed.push_back(dim);
    } while (accept(","));
  }

  void comment(Node& node) {
    skip_spaces();
    if (!accept("#")) return;
    skip_spaces();
    if (rest_.starts_with('"')) {
      node.origin = text();
    } else {
      node.origin = std::string(rest_);
      rest_ = {};
    }
  }

  void line() {
    if (!started_) {
      expect("graph");
      started_ = true;
    } else if (accept("inputs")) {
      do graph_.inputs.push_back(definition());
      while (accept(","));
      define_pending();
    } else if (accept("outputs")) {
      do graph_.outputs.push_back(known_value());
      while (accept(","));
    } else if (accept("mutates")) {
      expect("input");
      int input = static_cast<int>(bounded(0, kMaxValueId));
      expect("=");
      graph_.mutations.push_back({input, known_value()});
    } else {
      node();
    }
    skip_spaces();
    if (!rest_.empty()) fail("text is left over at the end of the line");
  }

  Graph graph_;
  std::vector<bool> defined_;
  std::vector<ValueId> pending_;
  std::string_view rest_;
  int line_number_ = 0;
  bool started_ = false;
};

}  // namespace

Graph parse_graph(std::string_view text) { return GraphParser().parse(text); }

}  // namespace braze
