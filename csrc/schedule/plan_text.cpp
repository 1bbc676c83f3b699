// Printing of plans.
#include "schedule/plan_text.h"

#include "graph/print.h"

namespace braze {
namespace {

std::string tensor(const ExternTensor& t) {
  return print(t.buffer) + " " + std::string(info(t.dtype).name) + print(t.geometry);
}

std::string list(const std::vector<ExternTensor>& tensors) {
  std::string text;
  for (const ExternTensor& t : tensors) text += (text.empty() ? "" : ", ") + tensor(t);
  return text;
}

std::string print(const KernelStep& step) {
  std::string text = "  run kernel " + std::to_string(step.kernel);
  for (const BufferRef& place : step.params) text += " " + braze::print(place);
  for (size_t i = 0; i < step.origins.size(); ++i) text += (i == 0 ? "  # " : ", ") + step.origins[i];
  return text + "\n";
}

std::string print(const ExternStep& step) {
  std::string text = "  call " + step.call.op + (step.call.overload.empty() ? "" : "." + step.call.overload) + "(" +
                     list(step.operands) + ")";
  if (!step.results.empty()) text += (step.into_results ? " into " : " gives ") + list(step.results);
  for (int32_t slot : step.release) text += " release owned" + std::to_string(slot);
  return text + "\n";
}

std::string indented(const std::string& text) {
  std::string result = "    ";
  for (size_t i = 0; i < text.size(); ++i) {
    result += text[i];
    if (text[i] == '\n' && i + 1 < text.size()) result += "    ";
  }
  return result;
}

}  // namespace

std::string print(const BufferRef& place) {
  switch (place.kind) {
    case BufferRef::Kind::Input: return "in" + std::to_string(place.index);
    case BufferRef::Kind::Output: return "out" + std::to_string(place.index);
    case BufferRef::Kind::Owned: return "owned" + std::to_string(place.index);
    case BufferRef::Kind::Arena: return "arena+" + std::to_string(place.offset);
  }
  return "";
}

std::string print(const Plan& plan) {
  std::string text =
      "plan arena=" + std::to_string(plan.arena_bytes) + " owned=" + std::to_string(plan.owned_slots) + "\n";
  for (size_t k = 0; k < plan.kernels.size(); ++k)
    text += "  kernel " + std::to_string(k) + "\n" + indented(print(plan.kernels[k]));
  for (size_t i = 0; i < plan.outputs.size(); ++i) {
    const OutputBuffer& output = plan.outputs[i];
    text += "  output " + std::to_string(i) + ": " + std::string(info(output.dtype).name) + print(output.shape);
    text += (output.owned >= 0 ? " is owned" + std::to_string(output.owned) : "") + "\n";
  }
  for (const Step& step : plan.steps) std::visit([&](const auto& s) { text += print(s); }, step);
  return text;
}

}  // namespace braze
