// Python's view of the call path: Callable, Entry, OutputTree, and an executable written in Python.
#include <pybind11/functional.h>
#include <pybind11/stl.h>
#include <torch/csrc/autograd/python_variable.h>

#include "bindings/bindings.h"
#include "bindings/tensor_lists.h"
#include "frontend/call/callable.h"
#include "frontend/call/entry.h"
#include "frontend/call/passthrough.h"
#include "frontend/call/rewind.h"
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

  bool is_settled() const override { return settled; }
  bool varies() const override { return varying; }

  bool settled = true, varying = false;

 private:
  py::object function_;
};

py::object build_output_tree(py::object result, py::function classify, py::list objects, py::list containers,
                             py::object integer_of) {
  std::unordered_set<PyObject*> existing;
  std::unordered_map<PyObject*, uint32_t> of_arguments;
  for (py::handle object : objects) existing.insert(object.ptr());
  for (size_t i = 0; i < containers.size(); ++i)
    of_arguments.try_emplace(py::object(containers[i]).ptr(), static_cast<uint32_t>(i));
  auto source = [&](PyObject* tensor) -> TensorSource {
    py::object answer = classify(py::reinterpret_borrow<py::object>(tensor));
    if (answer.is_none()) return {};
    auto [kind, index] = answer.cast<std::pair<std::string, size_t>>();
    return {kind == "input" ? TensorSource::Input : TensorSource::Output, index};
  };
  OutputTree::Number number;
  if (!integer_of.is_none())
    number = [&](PyObject* object) {
      py::object answer = integer_of(py::handle(object));
      return answer.is_none() ? PyRef() : PyRef::borrow(answer.ptr());
    };
  Refusal refusal;
  std::shared_ptr<OutputTree> tree = OutputTree::build(result.ptr(), source, number, existing, of_arguments, refusal);
  return tree ? py::cast(tree) : py::object(py::make_tuple(refusal.reason, refusal.detail));
}

void bind_output_tree(py::module_& module) {
  py::class_<OutputTree, std::shared_ptr<OutputTree>>(module, "OutputTree")
      .def_static(
          "build", build_output_tree, py::arg("result"), py::arg("classify"), py::arg("objects") = py::list(),
          py::arg("containers") = py::list(), py::arg("integer_of") = py::none(),
          "`classify(tensor)` is ('input', slot), (anything else, index of the output) or None. `objects`: "
          "those that existed before. `containers`: of the arguments, as their spec lists them. "
          "`integer_of(object)`: the integer that an object of a learning run stands for, or None. The tree, or "
          "a refusal as (reason, detail).")
      .def(
          "make",
          [](const OutputTree& tree, std::vector<at::Tensor> outputs, std::vector<at::Tensor> inputs,
             py::list containers) {
            std::vector<at::TensorImpl*> raw;
            for (at::Tensor& input : inputs) raw.push_back(input.unsafeGetTensorImpl());
            std::vector<PyObject*> borrowed;
            for (py::handle container : containers) borrowed.push_back(container.ptr());
            PyObject* result = tree.make(outputs, raw.data(), borrowed.data());
            if (result == nullptr) {
              if (PyErr_Occurred()) throw py::error_already_set();
              throw py::value_error("OutputTree.make: an object to be returned has died");
            }
            return py::reinterpret_steal<py::object>(result);
          },
          py::arg("outputs"), py::arg("inputs"), py::arg("containers") = py::list())
      .def("describe", &OutputTree::describe, py::arg("integers") = true)
      .def_property_readonly(
          "integers",
          [](const OutputTree& tree) {
            py::list found;
            for (const auto& [value, varies] : tree.integers())
              found.append(py::make_tuple(py::reinterpret_borrow<py::object>(value.get()), varies));
            return found;
          },
          "(value, whether it varies) of the integers among its constants.");
}

void bind_rewind(py::module_& module) {
  py::class_<Rewind>(module, "Rewind", "Inside, containers and memory are as they were before a call.")
      .def(py::init([](const std::vector<py::object>& containers, const std::vector<py::object>& names,
                       const std::vector<py::object>& contents,
                       const std::vector<std::pair<at::Tensor, at::Tensor>>& memory) {
             if (contents.size() != containers.size() || names.size() != containers.size())
               throw py::value_error("Rewind: names and contents for each container");
             std::vector<Rewind::Held> held;
             for (size_t i = 0; i < containers.size(); ++i)
               held.push_back({PyRef::borrow(containers[i].ptr()),
                               names[i].is_none() ? PyRef() : PyRef::borrow(names[i].ptr()),
                               PyRef::borrow(contents[i].ptr()), PyRef()});
             return std::make_unique<Rewind>(std::move(held), memory);
           }),
           py::arg("containers"), py::arg("names"), py::arg("contents"), py::arg("memory"),
           "`names`: of a container, None or a tuple of those that count. `contents`: what it held, as a list or dict. "
           "`memory`: (tensor, copy of what it held), one for each storage.")
      .def("__enter__",
           [](Rewind& rewind) {
             if (!rewind.enter()) throw py::error_already_set();
           })
      .def("__exit__", [](Rewind& rewind, const py::args&) { rewind.exit(); });
}

void bind_effects(py::module_& module) {
  py::class_<Effects, std::shared_ptr<Effects>>(module, "Effects",
                                                "What a call changes in the containers of its arguments.")
      .def(py::init<>())
      .def("set", [](Effects& effects, uint32_t container,
                     py::object key) { effects.add(Effects::Kind::Set, container, PyRef::borrow(key.ptr())); })
      .def("delete", [](Effects& effects, uint32_t container,
                        py::object key) { effects.add(Effects::Kind::Delete, container, PyRef::borrow(key.ptr())); })
      .def("add", [](Effects& effects, uint32_t container,
                     py::object key) { effects.add(Effects::Kind::Add, container, PyRef::borrow(key.ptr())); })
      .def("refill", [](Effects& effects, uint32_t container,
                        py::tuple keys) { effects.add(Effects::Kind::Refill, container, PyRef::borrow(keys.ptr())); })
      .def(
          "tell",
          [](Effects& effects, py::object function, py::tuple arguments) {
            effects.tell(PyRef::borrow(function.ptr()), PyRef::borrow(arguments.ptr()));
          },
          "function(*arguments) at the end of the call. It is no part of `describe`.")
      .def("replace",
           [](Effects& effects, uint32_t container) { effects.add(Effects::Kind::Replace, container, PyRef()); })
      .def("describe", &Effects::describe);
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

std::shared_ptr<Entry> make_entry(std::shared_ptr<ArgumentSpec> arguments, const TorchState& torch_state,
                                  std::shared_ptr<StateGuards> state, const std::vector<py::object>& captured,
                                  std::shared_ptr<Executable> executable, std::shared_ptr<OutputTree> outputs,
                                  const std::vector<std::string>& paths, std::shared_ptr<Effects> effects,
                                  std::shared_ptr<FrozenTensors> frozen,
                                  const std::vector<std::pair<std::string, py::object>>& watched,
                                  std::shared_ptr<SymbolicCall> symbolic, bool meets_autograd) {
  if (!arguments || !state || (!executable && !symbolic) || !outputs) throw py::value_error("Entry: a part is None");
  auto tensors = std::make_shared<CapturedTensors>(/*with_offsets=*/false, meets_autograd);
  for (size_t i = 0; i < captured.size(); ++i) {
    Refusal refusal;
    if (!tensors->add(i < paths.size() ? paths[i] : "captured tensor", captured[i].ptr(), *state, refusal))
      throw py::value_error("Entry: " + refusal.detail);
  }
  auto others = std::make_shared<CapturedTensors>(/*with_offsets=*/true, meets_autograd);  // Python may have asked
  for (const auto& [path, tensor] : watched) {
    Refusal refusal;  // of a sparse tensor, say: that it is the same object has to do
    others->add(path, tensor.ptr(), *state, refusal);
  }
  EntryParts parts;
  parts.arguments = std::move(arguments);
  parts.state = std::move(state);
  parts.captured = tensors;
  parts.watched = others;
  parts.executable = std::move(executable);
  parts.symbolic = std::move(symbolic);
  parts.outputs = std::move(outputs);
  parts.effects = std::move(effects);
  parts.frozen = std::move(frozen);
  return std::make_shared<Entry>(std::move(parts), torch_state);
}

const char* state_of(const Entry& entry) {
  if (entry.is_eager()) return "eager";
  switch (entry.trial.verdict()) {
    case Trial::Verdict::Undecided: return "on trial";
    case Trial::Verdict::Faster: return "compiled";
    default: return "slower";
  }
}

void bind_entry(py::module_& module) {
  auto collected = py::custom_type_setup([](PyHeapTypeObject* type) {
    type->ht_type.tp_flags |= Py_TPFLAGS_HAVE_GC;
    type->ht_type.tp_traverse = entry_traverse;
    type->ht_type.tp_clear = entry_clear;
  });
  py::class_<Entry, std::shared_ptr<Entry>>(module, "Entry", collected)
      .def(py::init(&make_entry), py::arg("arguments"), py::arg("torch_state"), py::arg("state"), py::arg("captured"),
           py::arg("executable"), py::arg("outputs"), py::arg("paths") = std::vector<std::string>(),
           py::arg("effects") = std::shared_ptr<Effects>(), py::arg("frozen") = std::shared_ptr<FrozenTensors>(),
           py::arg("watched") = std::vector<std::pair<std::string, py::object>>(), py::arg("symbolic") = py::none(),
           py::arg("meets_autograd") = true,
           "`captured`: the tensors, and in `paths` where they were found. `frozen`: what the executable keeps numbers "
           "of. `watched`: (path, tensor) of the state's other tensors. `symbolic`: in place of an executable. "
           "`meets_autograd`: what autograd knows of the tensors matters.")
      .def_static(
          "eager",
          [](std::shared_ptr<ArgumentSpec> arguments, const TorchState& torch_state) {
            return std::make_shared<Entry>(EntryParts{.arguments = std::move(arguments)}, torch_state);
          },
          "An entry whose calls run the function, without looking further.")
      .def("describe_arguments", &Entry::describe_arguments)
      .def("describe_guards", &Entry::describe_guards)
      .def_property_readonly("is_dead", &Entry::is_dead)
      .def_property_readonly("is_stale", &Entry::is_stale, "A number it keeps has changed.")
      .def_property_readonly(
          "captured",
          [](const Entry& entry) {
            py::list tensors;
            for (PyObject* tensor : entry.captured()) tensors.append(py::handle(tensor));
            return tensors;
          },
          "The captured tensors; none once the callable has let go of the entry.")
      .def(
          "rehearse",
          [](Entry& entry, py::tuple args, py::dict kwargs, const std::vector<at::Tensor>& tensors) -> py::object {
            VectorArguments arguments(args.ptr(), kwargs.ptr());
            std::vector<at::Tensor> outputs;
            auto nanoseconds = entry.rehearse(arguments.values.data(), arguments.positional,
                                              arguments.keyword_names.get(), tensors, outputs);
            if (PyErr_Occurred()) throw py::error_already_set();
            if (!nanoseconds) return py::none();
            return py::make_tuple(*nanoseconds, list_of(outputs));
          },
          "Answers a call on other tensors and without effects: (nanoseconds, outputs), or None when it is not one of "
          "its "
          "calls.")
      .def(
          "add_trial", [](Entry& entry, int64_t compiled, int64_t eager) { entry.trial.add_pair(compiled, eager); },
          "Nanoseconds of one call, run both ways.")
      .def("state_holds", &Entry::state_holds, "Whether the Python state is the one it was recorded with.")
      .def_property_readonly("state", state_of)
      .def_property_readonly("hits", [](const Entry& entry) { return entry.counters.hits; })
      .def_property_readonly("compiled_calls", [](const Entry& entry) { return entry.counters.compiled; })
      .def_property_readonly(
          "declined_calls", [](const Entry& entry) { return entry.counters.declined; },
          "Calls the executable asked to run eagerly.")
      .def_property_readonly("shadowed_calls", [](const Entry& entry) { return entry.counters.shadowed; })
      .def_property_readonly(
          "compiled_microseconds", [](const Entry& entry) { return entry.trial.compiled_microseconds(); },
          "Best of the trial, or None.")
      .def_property_readonly("eager_microseconds", [](const Entry& entry) { return entry.trial.eager_microseconds(); });
}

}  // namespace

void bind_call(py::module_& module) {
  module.attr("Callable") = py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(callable_type()));
  py::class_<FrozenTensors, std::shared_ptr<FrozenTensors>>(module, "FrozenTensors")
      .def_property_readonly("is_stale", &FrozenTensors::is_stale)
      .def_property_readonly("bytes", &FrozenTensors::bytes)
      .def("__len__", &FrozenTensors::size);
  py::class_<Executable, std::shared_ptr<Executable>>(module, "Executable");
  py::class_<PyExecutable, Executable, std::shared_ptr<PyExecutable>>(module, "PyExecutable")
      .def(py::init<py::object>())
      .def_readwrite("settled", &PyExecutable::settled, "Whether a trial may time it yet.")
      .def_readwrite("varying", &PyExecutable::varying, "Whether no two calls need take the same time.");
  bind_output_tree(module);
  bind_effects(module);
  bind_rewind(module);
  bind_entry(module);
  module.def(
      "push_passthrough", [] { ++passthrough_depth; },
      "Compiled callables on this thread just call their function until the matching pop.");
  module.def("pop_passthrough", [] { --passthrough_depth; });
  module.def("set_compilation_disabled", [](bool disabled) { compilation_disabled = disabled; });
}

}  // namespace braze
