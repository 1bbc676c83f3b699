#include "graph/print.h"

#include <cctype>

#include "support/number_text.h"

namespace braze {
namespace {

template <typename Items, typename Show>
std::string join(const Items& items, Show show) {
  std::string text;
  for (const auto& item : items) {
    if (!text.empty()) text += ", ";
    text += show(item);
  }
  return text;
}

std::string compact(const std::vector<int64_t>& numbers) {
  std::string text;
  for (size_t i = 0; i < numbers.size(); ++i) (text += i ? "," : "") += std::to_string(numbers[i]);
  return text;
}

bool is_plain_word(std::string_view text) {
  if (text.empty() || !(std::isalpha(static_cast<unsigned char>(text[0])) || text[0] == '_')) return false;
  for (unsigned char c : text)
    if (!std::isalnum(c) && c != '_' && c != ':') return false;
  return true;
}

std::string word(const std::string& text) { return is_plain_word(text) ? text : quoted(text); }

/// Writes one graph; `names_` maps value ids to the numbers shown.
class Printer {
 public:
  Printer(const Graph& graph, bool canonical) : graph_(graph), canonical_(canonical), names_(graph.values.size()) {
    int32_t next = 0;
    for (size_t i = 0; i < names_.size(); ++i) names_[i] = canonical ? -1 : static_cast<int32_t>(i);
    if (!canonical) return;
    auto give = [&](ValueId id) {
      if (names_[id] < 0) names_[id] = next++;
    };
    for (ValueId id : graph.inputs) give(id);
    for (const Node& node : graph.nodes)
      for (ValueId id : node.results) give(id);
  }

  std::string graph() const {
    std::string text = "graph\n";
    if (!graph_.inputs.empty())
      text += "inputs " + join(graph_.inputs, [&](ValueId id) { return definition(id); }) + "\n";
    for (const Node& node : graph_.nodes) text += line(node) + "\n";
    if (!graph_.outputs.empty()) text += "outputs " + join(graph_.outputs, [&](ValueId id) { return name(id); }) + "\n";
    for (const Mutation& m : graph_.mutations)
      text += "mutates input " + std::to_string(m.input) + " = " + name(m.value) + "\n";
    return text;
  }

  std::string line(const Node& node) const {
    std::string text = join(node.results, [&](ValueId id) { return definition(id); });
    if (!text.empty()) text += " = ";
    text += info(node.op).name;
    if (node.op == Op::index_) text += " dim=" + std::to_string(node.dim);
    if (info(node.op).cls == OpClass::Reduce)
      text += " dims=[" + join(node.reduce_dims, [](int d) { return std::to_string(d); }) + "]";
    if (node.op == Op::update_) text += " at " + print(node.region);
    if (node.op == Op::extern_) text += " " + call(node.call);
    if (!node.operands.empty()) text += node.op == Op::extern_ ? " of " : " ";
    for (size_t i = 0; i < node.operands.size(); ++i) {
      if (i) text += ", ";
      text += operand(node.operands[i]);
      if (node.op == Op::gather_ && i > 0 && i <= node.indexed.size()) {
        const IndexedDim& d = node.indexed[i - 1];
        text += "{" + std::to_string(d.size) + "*" + std::to_string(d.stride) + "}";
      }
    }
    if (!canonical_ && !node.origin.empty()) text += "  # " + origin(node.origin);
    return text;
  }

  std::string operand(const Operand& operand) const {
    if (auto* scalar = std::get_if<Scalar>(&operand)) return print(*scalar);
    const Access& access = std::get<Access>(operand);
    return name(access.value) + print(access.geometry);
  }

 private:
  static std::string origin(const std::string& text) {
    bool plain = text.find_first_of("\"\n\r\\") == std::string::npos && text[0] != ' ' && text[0] != '\t';
    return plain ? text : quoted(text);
  }

  std::string name(ValueId id) const {
    bool known = id >= 0 && id < static_cast<ValueId>(names_.size()) && names_[id] >= 0;
    return "%" + (known ? std::to_string(names_[id]) : "undefined" + std::to_string(id));
  }

  std::string definition(ValueId id) const {
    if (id < 0 || id >= static_cast<ValueId>(graph_.values.size())) return name(id);
    const Value& value = graph_.value(id);
    std::string text = name(id) + ": " + std::string(info(value.dtype).name) + print(value.shape);
    if (value.length != value.shape.extent()) text += "/" + std::to_string(value.length);
    if (value.frozen) text += " frozen";
    return text;
  }

  std::string call(const ExternCall& call) const {
    std::string text = word(call.op);
    if (!call.overload.empty()) text += "." + word(call.overload);
    text += "(" + join(call.args, [&](const ExternArg& a) { return argument(a); }) + ")";
    if (!call.mutates.empty())
      text += " mutates(" +
              join(call.mutates,
                   [](const auto& pair) { return std::to_string(pair.first) + "->" + std::to_string(pair.second); }) +
              ")";
    if (!call.returns.empty()) text += " returns(" + join(call.returns, [](int i) { return std::to_string(i); }) + ")";
    return text;
  }

  static std::string tensor(int operand) { return operand < 0 ? "$none" : "$" + std::to_string(operand); }

  struct ArgumentText {
    std::string operator()(NoneArg) const { return "none"; }
    std::string operator()(TensorArg a) const { return tensor(a.operand); }
    std::string operator()(const TensorListArg& a) const { return "tensors [" + join(a.operands, tensor) + "]"; }
    std::string operator()(bool a) const { return a ? "true" : "false"; }
    std::string operator()(int64_t a) const { return std::to_string(a); }
    std::string operator()(double a) const { return double_text(a); }
    std::string operator()(const ComplexArg& a) const {
      return "complex(" + double_text(a.real) + ", " + double_text(a.imag) + ")";
    }
    std::string operator()(const std::string& a) const { return quoted(a); }
    std::string operator()(const NamedArg& a) const { return "named " + quoted(a.kind) + " " + quoted(a.value); }
    std::string operator()(const std::vector<int64_t>& a) const {
      return "[" + join(a, [](int64_t i) { return std::to_string(i); }) + "]";
    }
    std::string operator()(const std::vector<double>& a) const { return "doubles [" + join(a, double_text) + "]"; }
    std::string operator()(const std::vector<bool>& a) const {
      return "bools [" + join(a, [](bool b) { return std::string(b ? "true" : "false"); }) + "]";
    }
  };
  static std::string argument(const ExternArg& arg) { return std::visit(ArgumentText{}, arg); }

  const Graph& graph_;
  bool canonical_;
  std::vector<int32_t> names_;
};

}  // namespace

std::string print(const Graph& graph) { return Printer(graph, false).graph(); }
std::string print_canonical(const Graph& graph) { return Printer(graph, true).graph(); }
std::string print(const Graph& graph, const Node& node) { return Printer(graph, false).line(node); }

std::string print(const Geometry& geometry) {
  std::string text = "[" + compact(geometry.sizes) + ":" + compact(geometry.strides) + "]";
  if (geometry.offset != 0) text += (geometry.offset > 0 ? "+" : "") + std::to_string(geometry.offset);
  return text;
}

std::string print(const Scalar& scalar) {
  std::string value = is_floating(scalar.dtype) ? double_text(scalar.as_double()) : std::to_string(scalar.as_int());
  return value + ":" + std::string(info(scalar.dtype).name);
}

std::string print(const Operand& operand) {
  if (auto* scalar = std::get_if<Scalar>(&operand)) return print(*scalar);
  const Access& access = std::get<Access>(operand);
  return "%" + std::to_string(access.value) + print(access.geometry);
}

}  // namespace braze
