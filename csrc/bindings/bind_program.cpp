// Compiling a captured program, running it directly (the proof step), and what it is made of, for explain.
#include <pybind11/stl.h>

#include <algorithm>

#include "bindings/bindings.h"
#include "bindings/tensor_lists.h"
#include "frontend/call/attention_choice.h"
#include "frontend/call/compiled_call.h"
#include "frontend/call/product_choice.h"
#include "frontend/call/raced_call.h"
#include "frontend/call/recurrence_choice.h"
#include "frontend/call/symbolic_call.h"
#include "frontend/freeze/freeze.h"
#include "frontend/guards/arguments.h"
#include "frontend/layout/lay_out.h"
#include "frontend/library/out_variant.h"
#include "schedule/plan_text.h"
#include "schedule/size_params.h"
#include "schedule/work.h"

namespace py = pybind11;

namespace braze {
namespace {

std::string shape_text(const Kernel& kernel) {
  std::string text;
  for (size_t a = 0; a < kernel.axes.size(); ++a) {
    bool first_reduced = kernel.reduce_axes > 0 && a == static_cast<size_t>(kernel.parallel_axes());
    text += (first_reduced ? " reduce " : a ? "x" : "") + size_text(kernel.axes[a]);
  }
  return text.empty() ? "1" : text;
}

py::list kernels_of(const CompiledPlan& compiled) {
  py::list rows;
  for (size_t k = 0; k < compiled.plan.kernels.size(); ++k) {
    py::dict row;
    py::list steps;
    std::vector<std::string> ops;
    for (size_t s = 0; s < compiled.plan.steps.size(); ++s) {
      auto* step = std::get_if<KernelStep>(&compiled.plan.steps[s]);
      if (!step || step->kernel != static_cast<int>(k)) continue;
      steps.append(s);
      for (const auto& op : step->origins)
        if (std::find(ops.begin(), ops.end(), op) == ops.end()) ops.push_back(op);
    }
    row["name"] = compiled.kernels[k].kernel->name;
    row["ops"] = ops;
    row["shape"] = shape_text(compiled.plan.kernels[k]);
    row["steps"] = steps;
    row["text"] = print(compiled.plan.kernels[k]);
    rows.append(row);
  }
  return rows;
}

py::list externs_of(const CompiledPlan& compiled) {
  py::list names;
  for (const auto& step : compiled.plan.steps)
    if (auto* extern_step = std::get_if<ExternStep>(&step)) names.append(extern_step->call.op);
  return names;
}

/// (bytes, flops) of each step.
py::list work_of(const CompiledPlan& compiled) {
  py::list rows;
  for (const Step& step : compiled.plan.steps) {
    const Work work = work_of(compiled.plan, step);
    rows.append(py::make_tuple(work.bytes, work.flops));
  }
  return rows;
}

py::list stages_of(const CompileRecord& record) {
  double passes = 0;
  for (const auto& pass : record.passes) passes += pass.milliseconds;
  py::list stages;
  stages.append(py::make_tuple("passes", passes));
  stages.append(py::make_tuple("schedule", record.schedule_ms));
  stages.append(py::make_tuple("codegen", record.codegen_ms));
  return stages;
}

/// What both kinds of compiled programs show of themselves.
template <typename Call, typename Class>
void bind_compiled(Class& bound) {
  bound.def_property_readonly("kernels", [](const Call& call) { return kernels_of(call.compiled()); })
      .def_property_readonly("externs", [](const Call& call) { return externs_of(call.compiled()); })
      .def_property_readonly("work", [](const Call& call) { return work_of(call.compiled()); })
      .def_property_readonly("stages", [](const Call& call) { return stages_of(call.compiled().record); })
      .def_property_readonly("plan_text", [](const Call& call) { return print(call.compiled().plan); })
      .def_property_readonly("kernel_origins", [](const Call& call) {
        const auto& record = call.compiled().record;
        return py::make_tuple(record.kernels_compiled, record.kernels_from_memory, record.kernels_from_disk);
      });
}

constexpr const char* kRunHelp =
    "The output tensors (None where an input itself is the output), or None when the call must run eagerly.";

template <typename Call>
py::object run_on(Call& call, const std::vector<at::Tensor>& inputs) {
  std::vector<at::Tensor> outputs;
  auto impls = impls_of(inputs);
  if (!call.run(impls.data(), impls.size(), outputs)) return py::none();
  return list_of(outputs);
}

/// Integers as expressions of the sizes that vary.
struct SizeExpressions {
  std::vector<SizeCandidates> candidates;
};

void bind_symbolic(py::module_& m) {
  py::class_<VaryingIntegers, std::shared_ptr<VaryingIntegers>>(m, "VaryingIntegers")
      .def_static(
          "fit",
          [](const std::vector<int64_t>& a, const std::vector<int64_t>& b, const std::vector<int64_t>& symbols_a,
             const std::vector<int64_t>& symbols_b) -> std::shared_ptr<VaryingIntegers> {
            auto found = VaryingIntegers::fit(a, b, symbols_a, symbols_b);
            return found ? std::make_shared<VaryingIntegers>(std::move(*found)) : nullptr;
          },
          "From what the integers were at two sizes; None when one is no simple expression.")
      .def(
          "narrowed",
          [](const VaryingIntegers& v, const std::vector<int64_t>& values,
             const std::vector<int64_t>& symbols) -> std::shared_ptr<VaryingIntegers> {
            auto narrowed = std::make_shared<VaryingIntegers>(v);
            return narrowed->narrow(values, symbols) ? narrowed : nullptr;
          },
          "With what the integers were at more sizes; None when that does not fit.")
      .def_property_readonly("have_no_fractions", &VaryingIntegers::have_no_fractions);
  py::class_<SizeExpressions, std::shared_ptr<SizeExpressions>>(m, "SizeExpressions")
      .def_static(
          "fit",
          [](const std::vector<int64_t>& a, const std::vector<int64_t>& b, const std::vector<int64_t>& symbols_a,
             const std::vector<int64_t>& symbols_b) -> std::shared_ptr<SizeExpressions> {
            auto found = fit_candidates(a, b, symbols_a, symbols_b);
            return found ? std::make_shared<SizeExpressions>(SizeExpressions{std::move(*found)}) : nullptr;
          },
          "From what the integers were at two sizes; None when one is no simple expression.")
      .def(
          "narrowed",
          [](const SizeExpressions& e, const std::vector<int64_t>& values,
             const std::vector<int64_t>& symbols) -> std::shared_ptr<SizeExpressions> {
            auto narrowed = std::make_shared<SizeExpressions>(e);
            return narrow_all(narrowed->candidates, values, symbols) ? narrowed : nullptr;
          },
          "With what the integers were at more sizes; None when that does not fit.")
      .def("evaluate", [](const SizeExpressions& e,
                          const std::vector<int64_t>& symbols) { return evaluate_all(e.candidates, symbols); })
      .def_property_readonly("texts", [](const SizeExpressions& e) {
        std::vector<std::string> texts;
        for (const auto& c : e.candidates) texts.push_back(print(c.best()));
        return texts;
      });
  py::class_<PlannedProgram, std::shared_ptr<PlannedProgram>>(m, "PlannedProgram")
      .def_property_readonly("text", [](const PlannedProgram& planned) { return print(planned.plan); });
  py::class_<SymbolicCall, std::shared_ptr<SymbolicCall>> bound(m, "SymbolicCall");
  bind_compiled<SymbolicCall>(bound);
  bound
      .def_static(
          "unify",
          [](const PlannedProgram& a, const PlannedProgram& b, const ArgumentSpec& spec) {
            return SymbolicCall::unify(a, b, spec.symbols());
          },
          "One program for all sizes of which both are; None when they differ in more than integers.")
      .def("agrees", &SymbolicCall::agrees, py::arg("planned"), py::arg("symbols"),
           "Whether at these sizes it is this program.")
      .def("compile", &SymbolicCall::compile)
      .def(
          "set_admit",
          [](SymbolicCall& call, py::function admit) {
            // The call itself is handed over at each question: a function that held it would hold it for ever.
            call.set_admit([&call, admit](const std::vector<int64_t>& symbols) {
              using Answer = SymbolicCall::Answer;
              py::object answer = admit(call.shared_from_this(), symbols);
              if (answer.is_none()) return Answer{Answer::NotNow, {}};
              if (py::isinstance<py::bool_>(answer)) return Answer{Answer::No, {}};
              return Answer{Answer::Yes, answer.cast<std::vector<int64_t>>()};
            });
          },
          "`admit(call, symbols)` is asked once for sizes: the integers of the result that vary, False, or None for "
          "not "
          "now.")
      .def(
          "at",
          [](SymbolicCall& call, const std::vector<int64_t>& symbols) {
            auto instance = call.at(symbols);
            return instance ? instance->call : nullptr;
          },
          "The CompiledCall for these sizes, or None when calls of them must run eagerly.")
      .def_property_readonly("has_no_fractions", &SymbolicCall::has_no_fractions)
      .def_property_readonly("instances_made", &SymbolicCall::instances_made);
  m.def(
      "plan_program",
      [](const CapturedProgram& program, const Options& options) {
        auto planned = std::make_shared<PlannedProgram>();
        planned->plan = plan_of(program.graph, options, has_out_variant, planned->quotients);
        planned->boundary = boundary_of(program);
        planned->recorded = integers_of(program.graph);
        return planned;
      },
      py::arg("program"), py::arg("options"), "The launch list of a captured program, without code.");
}

void bind_raced(py::module_& m) {
  py::class_<FormChoice>(m, "FormChoice")
      .def(py::init<const CapturedProgram&, const std::string&, const Options&>(), py::arg("program"), py::arg("form"),
           py::arg("options"))
      .def("known", &FormChoice::known, "Whether the other form is faster than the plain one; None when nobody knows.");
  py::class_<RacedCall, Executable, std::shared_ptr<RacedCall>>(m, "RacedCall")
      .def(py::init<std::shared_ptr<CompiledCall>, std::shared_ptr<CompiledCall>, FormChoice>(), py::arg("plain"),
           py::arg("other"), py::arg("choice"))
      .def("run", &run_on<RacedCall>, kRunHelp)
      .def_property_readonly("is_settled", &RacedCall::is_settled)
      .def_property_readonly("best", &RacedCall::best, "The CompiledCall that is faster as far as is known.")
      .def_property_readonly("other_is_best", &RacedCall::other_is_best);
}

}  // namespace

void bind_program(py::module_& m) {
  py::class_<CompiledCall, Executable, std::shared_ptr<CompiledCall>> bound(m, "CompiledCall");
  bind_compiled<CompiledCall>(bound);
  bound.def("run", &run_on<CompiledCall>, kRunHelp)
      .def_property_readonly("step_microseconds", &CompiledCall::step_microseconds,
                             "Of each step, the best of the first few runs; empty before them.");
  bind_raced(m);
  bind_symbolic(m);
  py::class_<FrozenProgram>(m, "FrozenProgram")
      .def_property_readonly(
          "program", [](const FrozenProgram& frozen) { return std::make_shared<CapturedProgram>(frozen.program); })
      .def_readonly("guards", &FrozenProgram::guards)
      .def_property_readonly("record", [](const FrozenProgram& frozen) {
        py::dict record;
        record["folded"] = frozen.record.folded;
        record["transposed"] = frozen.record.transposed;
        record["linears"] = frozen.record.linears;
        record["convolutions"] = frozen.record.convolutions;
        record["products"] = frozen.record.products;
        record["own_convolutions"] = frozen.record.own_convolutions;
        record["bytes"] = frozen.record.bytes;
        return record;
      });
  m.def("freeze_program", &freeze, py::arg("program"), py::arg("inputs"), py::arg("options"),
        "The program with its weights folded and packed, as a FrozenProgram; None when it has none to put to use.");
  m.def("count_freezable", &count_freezable, py::arg("program"), py::arg("inputs"),
        "Linear layers and convolutions that freezing would look at.");

  m.attr("LAYOUT_PASS") = kLayoutPass;

  m.def(
      "lay_out_program",
      [](const CapturedProgram& program, const Options& options) -> py::object {
        auto made = lay_out(program, options);
        if (!made) return py::none();
        return py::make_tuple(std::make_shared<CapturedProgram>(std::move(made->program)), made->convolutions);
      },
      py::arg("program"), py::arg("options"),
      "(program, how many convolutions) with convolutions on channels-last memory; None when none would gain.");

  m.def(
      "compile_program",
      [](const CapturedProgram& program, const Options& options) {
        py::gil_scoped_release others;
        return std::make_shared<CompiledCall>(compile(program.graph, options, has_out_variant, product_choice(options),
                                                      attention_choice(options), recurrence_choice(options)),
                                              boundary_of(program));
      },
      py::arg("program"), py::arg("options"), "Compiles a captured program; raises InternalError when that fails.");
}

}  // namespace braze
