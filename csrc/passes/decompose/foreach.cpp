#include "passes/decompose/foreach.h"

#include <algorithm>
#include <optional>

namespace braze {
namespace {

constexpr std::string_view kPrefix = "aten::_foreach_";

/// How many elements the lists of a call have; nothing when they differ.
std::optional<size_t> list_length(const ExternCall& call) {
  std::optional<size_t> length;
  for (const ExternArg& arg : call.args) {
    size_t here = 0;
    if (auto* tensors = std::get_if<TensorListArg>(&arg))
      here = tensors->operands.size();
    else if (auto* numbers = std::get_if<std::vector<double>>(&arg))
      here = numbers->size();
    else if (auto* integers = std::get_if<std::vector<int64_t>>(&arg))
      here = integers->size();
    else
      continue;
    if (length && *length != here) return std::nullopt;
    length = here;
  }
  return length;
}

/// The i-th element of a list argument; any other argument as it is.
ExternArg element(const ExternArg& arg, size_t i) {
  if (auto* tensors = std::get_if<TensorListArg>(&arg)) return TensorArg{tensors->operands[i]};
  if (auto* numbers = std::get_if<std::vector<double>>(&arg)) return (*numbers)[i];
  if (auto* integers = std::get_if<std::vector<int64_t>>(&arg)) return (*integers)[i];
  return arg;
}

class Splitter {
 public:
  explicit Splitter(const Node& node) : node_(node) {}

  Node part(size_t i) const {
    Node result;
    result.op = Op::extern_;
    result.origin = node_.origin;
    result.call.op = "aten::" + node_.call.op.substr(kPrefix.size());
    result.call.overload = node_.call.overload;
    for (const ExternArg& arg : node_.call.args) {
      ExternArg one = element(arg, i);
      if (auto* tensor = std::get_if<TensorArg>(&one); tensor && tensor->operand >= 0) {
        result.operands.push_back(node_.operands[tensor->operand]);
        write(result, tensor->operand);
        tensor->operand = static_cast<int>(result.operands.size()) - 1;
      }
      result.call.args.push_back(std::move(one));
    }
    if (i < node_.call.returns.size() && node_.call.returns[i] >= 0) {
      result.call.returns = {static_cast<int>(result.results.size())};
      result.results.push_back(node_.results[node_.call.returns[i]]);
    }
    if (result.call.op == "aten::norm") result.call.overload = "Scalar";
    return result;
  }

 private:
  /// When the call writes this operand, its part does: the new version is a result of the part.
  void write(Node& part, int operand) const {
    for (auto [written, renewed] : node_.call.mutates) {
      if (written != operand) continue;
      part.call.mutates.emplace_back(static_cast<int>(part.operands.size()) - 1, static_cast<int>(part.results.size()));
      part.results.push_back(node_.results[renewed]);
    }
  }

  const Node& node_;
};

}  // namespace

std::vector<Node> split_foreach(const Node& node) {
  if (!node.call.op.starts_with(kPrefix)) return {};
  const auto length = list_length(node.call);
  if (!length || *length == 0) return {};
  std::vector<Node> parts;
  size_t results = 0;
  for (size_t i = 0; i < *length; ++i) {
    parts.push_back(Splitter(node).part(i));
    results += parts.back().results.size();
  }
  if (results != node.results.size()) return {};
  return parts;
}

}  // namespace braze
