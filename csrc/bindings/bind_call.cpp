// Python's view of the call path: Callable, Entry, OutputTree, and an executable written in Python for tests.
#include <pybind11/functional.h>
#include <pybind11/stl.h>
#include <torch/csrc/utils/pybind.h>

#include "frontend/call/callable.h"
#include "frontend/call/entry.h"
#include "frontend/call/passthrough.h"
#include "frontend/call/vector_arguments.h"

namespace py = pybind11;

namespace braze {
namespace {

/// Runs a Python function over the input tensors; None from it means "run eagerly".
class PyExecutable : public Executable {
 public:
  explicit PyExecutable(py::object function) : function_(std::move(function)) {}

  bool run(at::TensorImpl* const* inputs, size_t count, std::vector<at::Tensor>& outputs) override {
    py::list tensors;
    for (size_t i = 0; i < count; ++i) {
      tensors.append(at::Tensor(c10::intrusive_ptr<at::TensorImpl, at::UndefinedTensorImpl>::reclaim_copy(inputs[i])));
    }
    py::object result = function_(tensors);
    if (result.is_none()) return false;
    outputs = result.cast<std::vector<at::Tensor>>();
    return true;
  }

 private:
  py::object function_;
};

py::object build_output_tree(py::object result, py::function classify, py::iterable existing) {
  std::unordered_set<PyObject*> known;
  for (py::handle object : existing) known.insert(object.ptr());
  auto source = [&](PyObject* tensor) -> TensorSource {
    py::object answer = classify(py::reinterpret_borrow<py::object>(tensor));
    if (answer.is_none()) return {};
    auto [kind, index] = answer.cast<std::pair<std::string, size_t>>();
    return {kind == "output" ? TensorSource::Output : kind == "input" ? TensorSource::Input : TensorSource::Unknown, index};
  };
  Refusal refusal;
  std::shared_ptr<OutputTree> tree = OutputTree::build(result.ptr(), source, known, refusal);
  return tree ? py::cast(tree) : py::object(py::make_tuple(refusal.reason, refusal.detail));
}

AliasPattern find_aliases(const ArgumentSpec& arguments, const CapturedTensors* captured, py::tuple args, py::dict kwargs, bool memory_matters) {
  VectorArguments call(args.ptr(), kwargs.ptr());
  CallInputs inputs;
  if (!arguments.check(call.values.data(), call.positional, call.keyword_names.get(), inputs) || (captured && !captured->check(inputs))) {
    throw py::value_error("AliasPattern: the arguments or captured tensors are no longer the ones recorded");
  }
  return AliasPattern(inputs.tensors.data(), inputs.tensors.size(), memory_matters);
}

void bind_output_tree(py::module_& module) {
  py::class_<OutputTree, std::shared_ptr<OutputTree>>(module, "OutputTree")
      .def_static("build", build_output_tree, py::arg("result"), py::arg("classify"), py::arg("existing") = py::tuple(),
                  "`classify(tensor)` is ('output', index), ('input', index) or None. The tree, or a refusal as (reason, detail).")
      .def("make",
           [](const OutputTree& tree, std::vector<at::Tensor> outputs, std::vector<at::Tensor> inputs) {
             std::vector<at::TensorImpl*> raw;
             for (at::Tensor& input : inputs) raw.push_back(input.unsafeGetTensorImpl());
             PyObject* result = tree.make(outputs, raw.data());
             if (result == nullptr) {
               if (PyErr_Occurred()) throw py::error_already_set();
               throw py::value_error("OutputTree.make: an object to be returned has died");
             }
             return py::reinterpret_steal<py::object>(result);
           })
      .def("describe", &OutputTree::describe);
}

int entry_traverse(PyObject* object, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(object));
  py::handle handle(object);
  auto* instance = reinterpret_cast<py::detail::instance*>(object);
  if (!instance->get_value_and_holder().holder_constructed()) return 0;
  return handle.cast<Entry*>()->visit(visit, arg);
}

int entry_clear(PyObject* object) {
  auto* instance = reinterpret_cast<py::detail::instance*>(object);
  if (instance->get_value_and_holder().holder_constructed()) py::handle(object).cast<Entry*>()->clear();
  return 0;
}

void bind_entry(py::module_& module) {
  auto collected = py::custom_type_setup([](PyHeapTypeObject* type) {
    type->ht_type.tp_flags |= Py_TPFLAGS_HAVE_GC;
    type->ht_type.tp_traverse = entry_traverse;
    type->ht_type.tp_clear = entry_clear;
  });
  py::class_<Entry, std::shared_ptr<Entry>>(module, "Entry", collected)
      .def(py::init([](std::shared_ptr<ArgumentSpec> arguments, const TorchState& torch_state, std::shared_ptr<StateGuards> state,
                       std::shared_ptr<CapturedTensors> captured, const AliasPattern& aliases, std::shared_ptr<Executable> executable,
                       std::shared_ptr<OutputTree> outputs, bool trial) {
             return std::make_shared<Entry>(
                 EntryParts{std::move(arguments), std::move(state), std::move(captured), std::move(executable), std::move(outputs)}, torch_state,
                 aliases, trial);
           }),
           py::kw_only(), py::arg("arguments"), py::arg("torch_state"), py::arg("state").none(true), py::arg("captured").none(true), py::arg("aliases"),
           py::arg("executable").none(true), py::arg("outputs").none(true), py::arg("trial") = true)
      .def("describe", &Entry::describe)
      .def_property_readonly("arguments", &Entry::describe_arguments, "One line an argument.")
      .def_property_readonly("captured", &Entry::captured_paths, "Where the tensors it reads besides its arguments are.")
      .def_property_readonly("is_dead", &Entry::is_dead)
      .def_property_readonly("verdict",
                             [](const Entry& entry) {
                               switch (entry.trial.verdict()) {
                                 case Trial::Verdict::Undecided: return "on trial";
                                 case Trial::Verdict::Faster: return "compiled";
                                 default: return "slower";
                               }
                             })
      .def_property_readonly("times_ns", [](const Entry& entry) { return std::make_pair(entry.trial.best_compiled_ns(), entry.trial.best_eager_ns()); },
                             "Best compiled and best eager time of the trial.")
      .def_property_readonly("counters", [](const Entry& entry) {
        py::dict counters;
        counters["hits"] = entry.counters.hits;
        counters["compiled"] = entry.counters.compiled;
        counters["declined"] = entry.counters.declined;
        counters["eager_by_choice"] = entry.counters.eager_by_choice;
        counters["shadowed"] = entry.counters.shadowed;
        return counters;
      });
}

}  // namespace

void bind_call(py::module_& module) {
  module.attr("Callable") = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(callable_type()));
  py::class_<Executable, std::shared_ptr<Executable>>(module, "Executable");
  py::class_<PyExecutable, Executable, std::shared_ptr<PyExecutable>>(module, "PyExecutable").def(py::init<py::object>());
  bind_output_tree(module);
  py::class_<AliasPattern>(module, "AliasPattern")
      .def(py::init(&find_aliases), py::arg("arguments"), py::arg("captured").none(true), py::arg("args"), py::arg("kwargs"), py::arg("memory_matters"))
      .def_property_readonly("any_shared_memory", &AliasPattern::any_shared_memory);
  bind_entry(module);
  module.def("push_passthrough", [] { ++passthrough_depth; }, "Compiled callables on this thread just call their function until the matching pop.");
  module.def("pop_passthrough", [] { --passthrough_depth; });
  module.def("set_compilation_disabled", [](bool disabled) { compilation_disabled = disabled; });
}

}  // namespace braze

void bind_call(py::module_& module) { braze::bind_call(module); }
