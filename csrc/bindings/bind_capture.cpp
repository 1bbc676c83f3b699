// Capture for Python: start and stop recording, recording -> program.
#include "bindings/bindings.h"
#include "frontend/capture/functionalise.h"
#include "frontend/capture/recorder.h"
#include "frontend/capture/same_program.h"
#include "graph/print.h"

#include <ATen/PythonTorchFunctionTLS.h>

#include <algorithm>
#include <set>
#include <string>

namespace py = pybind11;

namespace braze {
namespace {

py::object as_python(const Refusal& refusal) { return py::make_tuple(std::string(refusal.reason), refusal.detail); }

/// The names of the operators that PyTorch or the user runs for the program.
std::set<std::string> operators_of(const CapturedProgram& program) {
  std::set<std::string> names;
  for (const Node& node : program.graph.nodes)
    if (node.op == Op::extern_) names.insert(node.call.op);
  return names;
}

/// Around a trace: whatever ends it, an interrupt between two lines of our own too, nothing of it stays switched on.
class TraceScope {
 public:
  void enter() { modes_ = at::impl::PythonTorchFunctionTLS::stack_len(); }
  void exit() {
    while (at::impl::PythonTorchFunctionTLS::stack_len() > modes_) at::impl::PythonTorchFunctionTLS::pop_stack();
    if (is_recording()) stop_recording();
  }

 private:
  int64_t modes_ = 0;
};

}  // namespace

void bind_capture(py::module_& m) {
  py::class_<TraceScope>(m, "TraceScope", "Inside, the thread may record and push function modes; neither outlives it.")
      .def(py::init<>())
      .def("__enter__", &TraceScope::enter)
      .def("__exit__", [](TraceScope& scope, const py::args&) { scope.exit(); });

  py::class_<Recording>(m, "Recording")
      .def_property_readonly(
          "refusal", [](const Recording& r) -> py::object { return r.refusal ? as_python(r.refusal) : py::none(); })
      .def_property_readonly("op_count", [](const Recording& r) { return r.ops.size(); })
      .def(
          "generators_as_recorded",
          [](const Recording& r) {
            return std::all_of(r.generators.begin(), r.generators.end(),
                               [](const auto& seen) { return seen.state.equal(seen.generator.get_state()); });
          },
          "Whether nothing but the recorded operators has moved PyTorch's generator, or one that they drew from.")
      .def(
          "functionalise",
          [](const Recording& r, const std::vector<at::Tensor>& arguments, const std::vector<at::Tensor>& candidates,
             const std::vector<at::Tensor>& results, const std::vector<at::Generator>& generators) -> py::object {
            auto outcome = functionalise(r, arguments, candidates, results, generators);
            if (auto* refusal = std::get_if<Refusal>(&outcome)) return as_python(*refusal);
            return py::cast(std::make_shared<CapturedProgram>(std::move(std::get<CapturedProgram>(outcome))));
          },
          py::arg("arguments"), py::arg("candidates"), py::arg("results"),
          py::arg("generators") = std::vector<at::Generator>(),
          "The program as a CapturedProgram, or a refusal (reason, detail).");

  py::class_<CapturedProgram, std::shared_ptr<CapturedProgram>>(m, "CapturedProgram")
      .def_readonly("captured", &CapturedProgram::captured)
      .def_property_readonly("value_guards", [](const CapturedProgram& p) { return p.value_guards.size(); })
      .def_property_readonly(
          "values_read",
          [](const CapturedProgram& p) {
            py::list values;
            for (const ValueGuard& guard : p.value_guards)
              values.append(py::bytes(guard.value.bytes.data(), guard.value.bytes.size()));
            return values;
          },
          "The numbers that Python read from tensors, in order, as bytes.")
      .def_property_readonly("operators", &operators_of,
                             "The names of the operators that PyTorch or the user runs for the program.")
      .def_property_readonly(
          "is_generalisable",
          [](const CapturedProgram& p) {
            const auto operators = operators_of(p);
            const bool are_known = std::all_of(operators.begin(), operators.end(),
                                               [](const std::string& name) { return name.starts_with("aten::"); });
            return !p.shares_memory && !p.sized_by_values && p.value_guards.empty() && p.slot_offsets.empty() &&
                   are_known;
          },
          "Whether the program may hold at other sizes: inputs share no memory, no value is read or decides a size, "
          "and no operator of the user's own is run.")
      .def_readonly("meets_autograd", &CapturedProgram::meets_autograd,
                    "Operators ran under grad mode, or Python asked what autograd knows of a tensor.")
      .def_readonly("sized_by_values", &CapturedProgram::sized_by_values)
      .def_readonly("drawn", &CapturedProgram::drawn, "The random number generators that the call moves.")
      .def_property_readonly("text", [](const CapturedProgram& p) { return print(p.graph); })
      .def_property_readonly("node_count", [](const CapturedProgram& p) { return p.graph.nodes.size(); })
      .def_readonly("mutated_slots", &CapturedProgram::mutated)
      .def_readwrite("version_moves", &CapturedProgram::version_moves)
      .def_property_readonly(
          "bytes",
          [](const CapturedProgram& p) {
            int64_t total = 0;
            for (const Value& value : p.graph.values) total += value.length * info(value.dtype).bytes;
            return total;
          },
          "What all its tensors take up together.")
      .def_property_readonly(
          "outputs",
          [](const CapturedProgram& p) {
            py::list outputs;
            for (const auto& o : p.outputs)
              outputs.append(py::make_tuple(o.kind == TensorOutput::Kind::Input ? "input" : "tensor", o.index));
            return outputs;
          })
      .def(
          "same_as", [](const CapturedProgram& a, const CapturedProgram& b) { return same_program(a, b); },
          "True when both calls did the same: equal graphs, inputs, outputs and literals.");

  py::list reasons;
#define FALLBACK(name, message, advice) reasons.append(py::make_tuple(#name, message, advice));
#include "frontend/capture/fallback.def"
#undef FALLBACK
  m.attr("fallback_reasons") = reasons;
  m.def("recorder_available", &recorder_available);
  m.def("start_recording", &start_recording, "Starts recording on this thread; False when another recording runs.");
  m.def("stop_recording", &stop_recording, "What this thread has recorded; None when it does not record.");
  m.def("is_recording", &is_recording);
  m.def("inside_operator", &inside_operator);
  m.def(
      "recorded_so_far",
      [] {
        RecordedSoFar so_far = recorded_so_far();
        return py::make_tuple(so_far.ops, so_far.value_dependent);
      },
      "(operators recorded so far, those of them that read a number or may give a size that values decide)");
  m.def("recording_refused", &recording_refused);
  m.def("note_offsets_read", &note_offsets_read);
  m.def("note_autograd_asked", &note_autograd_asked);
  py::enum_<Absence>(m, "Absence", "What Python may be told that a tensor does not have.")
      .value("GRADIENT", Absence::Gradient)
      .value("BASE", Absence::Base)
      .value("RETAINED_GRADIENT", Absence::RetainedGradient);
  m.def("note_absence", &note_absence, "Python asked the tensor for this, and there was none.");
  m.def("refuse_recording", &refuse_recording, py::arg("reason"), py::arg("detail"));
}

}  // namespace braze
