// Python's view of the guards: what the tracing session builds them with and what explain reads.
#include <pybind11/functional.h>
#include <pybind11/stl.h>
#include <torch/csrc/DynamicTypes.h>
#include <torch/csrc/autograd/python_variable.h>

#include "bindings/bindings.h"
#include "bindings/tensor_lists.h"
#include "frontend/call/vector_arguments.h"
#include "frontend/guards/arguments.h"
#include "frontend/guards/cpython_objects.h"
#include "frontend/guards/python_state.h"
#include "frontend/guards/torch_state.h"

namespace py = pybind11;

namespace braze {
namespace {

/// A refusal as Python sees it: (reason, detail).
py::tuple refusal_tuple(const Refusal& refusal) { return py::make_tuple(refusal.reason, refusal.detail); }

py::object build_arguments(py::tuple args, py::dict kwargs, bool keyword_order_matters,
                           const std::unordered_set<std::string>& by_structure,
                           const std::unordered_set<std::string>& by_identity,
                           const std::vector<std::tuple<py::object, py::object, py::tuple, std::string>>& places,
                           bool attributes_matter) {
  Refusal refusal;
  std::vector<ArgumentSpec::Place> attributes;
  for (const auto& [owner, names, counters, path] : places)
    attributes.push_back({PyRef::borrow(owner.ptr()), names.is_none() ? PyRef() : PyRef::borrow(names.ptr()),
                          PyRef::borrow(counters.ptr()), path});
  std::shared_ptr<ArgumentSpec> spec =
      ArgumentSpec::build(args.ptr(), kwargs.ptr(), keyword_order_matters, attributes_matter, by_structure, by_identity,
                          attributes, refusal);
  return spec ? py::cast(spec) : py::object(refusal_tuple(refusal));
}

bool matches(const ArgumentSpec& spec, const py::tuple& args, const py::dict& kwargs, CallInputs& inputs) {
  VectorArguments arguments(args.ptr(), kwargs.ptr());
  return spec.check(arguments.values.data(), arguments.positional, arguments.keyword_names.get(), inputs);
}

py::list object_list(const std::vector<std::pair<std::string, PyObject*>>& objects) {
  py::list list;
  for (auto& [path, object] : objects) list.append(py::make_tuple(path, py::reinterpret_borrow<py::object>(object)));
  return list;
}

void bind_arguments(py::module_& module) {
  py::class_<ArgumentSpec, std::shared_ptr<ArgumentSpec>>(module, "ArgumentSpec")
      .def_static(
          "build", build_arguments, py::arg("args"), py::arg("kwargs"), py::arg("keyword_order_matters") = true,
          py::arg("by_structure") = std::unordered_set<std::string>(),
          py::arg("by_identity") = std::unordered_set<std::string>(),
          py::arg("places") = std::vector<std::tuple<py::object, py::object, py::tuple, std::string>>(),
          py::arg("attributes_matter") = true,
          "The spec of these arguments, or a refusal as (reason, detail). `by_structure`: paths of plain objects "
          "that are matched by class and attributes, or '*' for all. `by_identity`: paths of containers "
          "that are matched as objects. `places`: (owner, names, counters, path) of "
          "attributes that count as arguments; names None for all of a list or dict. `attributes_matter`: the function "
          "may read attributes of tensors, so they must have none.")
      .def(
          "containers",
          [](const ArgumentSpec& spec, py::tuple args, py::dict kwargs) {
            CallInputs inputs;
            if (!matches(spec, args, kwargs, inputs))
              throw py::value_error("ArgumentSpec.containers: the arguments are not the ones it was built from");
            py::list containers;
            for (PyObject* container : inputs.containers) containers.append(py::handle(container));
            return containers;
          },
          "The lists, dicts and plain objects of a matching call that are looked into, in order.")
      .def(
          "tensors_changed",
          [](const ArgumentSpec& spec, const std::vector<py::object>& tensors) -> py::object {
            for (size_t i = 0; i < tensors.size(); ++i) {
              const at::TensorImpl* now = THPVariable_Unpack(tensors[i].ptr()).unsafeGetTensorImpl();
              if (spec.has_attributes(tensors[i].ptr()))
                return py::cast(spec.tensors().describe(i) + ", now with attributes");
              if (!spec.tensors().check(i, now))
                return py::cast(spec.tensors().describe(i) + ", now " + TensorSpecs::describe(now));
            }
            return py::none();
          },
          "Says which tensor of a call is no longer of the kind it was when the call began; None when all are.")
      .def_property_readonly("is_dead", &ArgumentSpec::is_dead)
      .def("check",
           [](const ArgumentSpec& spec, py::tuple args, py::dict kwargs) {
             CallInputs inputs;
             return matches(spec, args, kwargs, inputs);
           })
      .def(
          "tensors",
          [](const ArgumentSpec& spec, py::tuple args, py::dict kwargs) {
            CallInputs inputs;
            if (!matches(spec, args, kwargs, inputs))
              throw py::value_error("ArgumentSpec.tensors: the arguments are not the ones it was built from");
            py::list tensors;
            for (at::TensorImpl* tensor : inputs.tensors) {
              tensors.append(
                  at::Tensor(c10::intrusive_ptr<at::TensorImpl, at::UndefinedTensorImpl>::reclaim_copy(tensor)));
            }
            return tensors;
          },
          "The tensors of a matching call in flatten order.")
      .def("explain",
           [](const ArgumentSpec& spec, py::tuple args, py::dict kwargs) {
             VectorArguments arguments(args.ptr(), kwargs.ptr());
             return spec.explain(arguments.values.data(), arguments.positional, arguments.keyword_names.get());
           })
      .def_static(
          "generalise",
          [](const ArgumentSpec& a, const ArgumentSpec& b) -> std::shared_ptr<ArgumentSpec> {
            return ArgumentSpec::generalise(a, b);
          },
          "A spec for calls like both, which differ in sizes of tensors and in Python integers only; None when they "
          "differ in more.")
      .def_static(
          "with_any_floats",
          [](const ArgumentSpec& a, const ArgumentSpec& b) -> std::shared_ptr<ArgumentSpec> {
            return ArgumentSpec::with_any_floats(a, b);
          },
          "A spec for calls like both, which differ in Python floats only, with any floats there; None when they "
          "differ "
          "in more.")
      .def(
          "substitute",
          [](const ArgumentSpec& spec, py::tuple args, py::dict kwargs,
             const std::vector<py::object>& values) -> py::object {
            std::vector<PyObject*> numbers;
            for (const py::object& value : values) numbers.push_back(value.ptr());
            PyRef new_args, new_kwargs;
            std::vector<ArgumentSpec::Substitute> inside;
            if (!spec.substitute(args.ptr(), kwargs.ptr(), numbers, new_args, new_kwargs, inside)) return py::none();
            py::list changes;
            for (auto& one : inside)
              changes.append(py::make_tuple(one.container, py::reinterpret_borrow<py::object>(one.key.get()),
                                            py::reinterpret_borrow<py::object>(one.value.get())));
            return py::make_tuple(py::reinterpret_borrow<py::object>(new_args.get()),
                                  py::reinterpret_borrow<py::object>(new_kwargs.get()), changes);
          },
          py::arg("args"), py::arg("kwargs"), py::arg("values"),
          "(args, kwargs, (container, key, value) of what has to be put into containers) with these objects, by "
          "symbol, "
          "in place of the numbers that are left open; None when that cannot be.")
      .def_property_readonly(
          "symbols",
          [](const ArgumentSpec& spec) {
            py::list symbols;
            for (const auto& s : spec.symbols()) symbols.append(py::make_tuple(s.first, s.second));
            return symbols;
          },
          "(value in the first call, value in the second) of each size or number left open.")
      .def(
          "symbol_values",
          [](const ArgumentSpec& spec, py::tuple args, py::dict kwargs) {
            CallInputs inputs;
            if (!matches(spec, args, kwargs, inputs))
              throw py::value_error("ArgumentSpec.symbol_values: the arguments are not the ones it was built from");
            return std::vector<int64_t>(inputs.symbols.begin(), inputs.symbols.end());
          },
          "The sizes and numbers of a matching call that are left open.")
      .def(
          "geometries",
          [](const ArgumentSpec& spec, const std::vector<int64_t>& symbols) {
            py::list rows;
            for (size_t i = 0; i < spec.tensor_count(); ++i) {
              std::vector<int64_t> both = spec.tensors().geometry_at(i, symbols);
              auto half = both.begin() + static_cast<ptrdiff_t>(both.size() / 2);
              rows.append(
                  py::make_tuple(std::vector<int64_t>(both.begin(), half), std::vector<int64_t>(half, both.end()),
                                 py::reinterpret_borrow<py::object>(
                                     reinterpret_cast<PyObject*>(torch::getTHPDtype(spec.tensors().dtype(i))))));
            }
            return rows;
          },
          "(sizes, strides, dtype) of each tensor at these values of the symbols.")
      .def_property_readonly("tensor_count", &ArgumentSpec::tensor_count)
      .def("is_owner", &ArgumentSpec::is_owner, "Whether this container is no argument but owns some.")
      .def_property_readonly("container_types",
                             [](const ArgumentSpec& spec) {
                               py::list types;
                               for (const PyRef& type : spec.container_types()) types.append(py::handle(type.get()));
                               return types;
                             })
      .def("container_paths", &ArgumentSpec::container_paths)
      .def_property_readonly(
          "objects", [](const ArgumentSpec& spec) { return object_list(spec.objects()); },
          "(path, object) of the arguments matched by identity.")
      .def("describe", &ArgumentSpec::describe);
}

void bind_torch_state(py::module_& module) {
  py::class_<TorchState>(module, "TorchState")
      .def_static("current", &TorchState::current)
      .def("__eq__", [](const TorchState& a, const TorchState& b) { return a == b; })
      .def_property_readonly("is_intercepted", &TorchState::is_intercepted)
      .def("difference", &TorchState::difference);
}

/// The guards behind a Python object that are its own; null when an entry has them too, which then tells of them.
StateGuards* own_guards(PyObject* object) {
  auto* instance = reinterpret_cast<py::detail::instance*>(object);
  if (!instance->get_value_and_holder().holder_constructed()) return nullptr;
  auto guards = py::handle(object).cast<std::shared_ptr<StateGuards>>();
  return guards.use_count() == 2 ? guards.get() : nullptr;
}

int state_guards_traverse(PyObject* object, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(object));
  StateGuards* guards = own_guards(object);
  return guards ? guards->visit(visit, arg) : 0;
}

int state_guards_clear(PyObject* object) {
  if (StateGuards* guards = own_guards(object)) guards->clear();
  return 0;
}

void bind_state_guards(py::module_& module) {
  using Scope = StateGuards::Scope;
  auto collected = py::custom_type_setup([](PyHeapTypeObject* type) {
    type->ht_type.tp_flags |= Py_TPFLAGS_HAVE_GC;
    type->ht_type.tp_traverse = state_guards_traverse;
    type->ht_type.tp_clear = state_guards_clear;
  });
  py::class_<StateGuards, std::shared_ptr<StateGuards>>(module, "StateGuards", collected)
      .def(py::init<>())
      .def("set_names", [](StateGuards& guards, py::object names) { guards.set_names(names.ptr()); })
      .def("add_reached",
           [](StateGuards& guards, const std::vector<py::object>& objects) {
             for (const auto& object : objects) guards.add_reached(object.ptr());
           })
      .def("add_weak_root", [](StateGuards& guards, py::object object) { guards.add_weak_root(object.ptr()); })
      .def("add_tensor", [](StateGuards& guards, py::object tensor,
                            const std::string& path) { guards.add_tensor(tensor.ptr(), path); })
      .def("add_type",
           [](StateGuards& guards, py::object object, const std::string& path) { guards.add_type(object.ptr(), path); })
      .def("add_instance_dict",
           [](StateGuards& guards, py::object object, const std::string& path) -> py::object {
             PyObject* dict = guards.add_instance_dict(object.ptr(), path);
             return dict ? py::reinterpret_borrow<py::object>(dict) : py::none();
           })
      .def("add_listed", [](StateGuards& guards, py::dict dict, py::tuple keys,
                            const std::string& path) { guards.add_dict(dict.ptr(), Scope::Listed, keys.ptr(), path); })
      .def("add_named", [](StateGuards& guards, py::object dict,
                           const std::string& path) { guards.add_dict(dict.ptr(), Scope::Named, nullptr, path); })
      .def("add_items", [](StateGuards& guards, py::object dict,
                           const std::string& path) { guards.add_dict(dict.ptr(), Scope::All, nullptr, path); })
      .def("add_frozen",
           [](StateGuards& guards, py::dict dict, const std::string& path) { guards.add_frozen(dict.ptr(), path); })
      .def("add_context_variable", [](StateGuards& guards, py::object variable,
                                      const std::string& path) { guards.add_context_variable(variable.ptr(), path); })
      .def("add_list",
           [](StateGuards& guards, py::object list, const std::string& path) { guards.add_list(list.ptr(), path); })
      .def("add_set",
           [](StateGuards& guards, py::object set, const std::string& path) { guards.add_set(set.ptr(), path); })
      .def("add_cell",
           [](StateGuards& guards, py::object cell, const std::string& path) { guards.add_cell(cell.ptr(), path); })
      .def("add_function", [](StateGuards& guards, py::object function,
                              const std::string& path) { guards.add_function(function.ptr(), path); })
      .def("add_labels", [](StateGuards& guards, py::object object,
                            const std::string& path) { guards.add_labels(object.ptr(), path); })
      .def("add_answer", [](StateGuards& guards, py::object function,
                            const std::string& path) { guards.add_answer(function.ptr(), path); })
      .def("add_class", [](StateGuards& guards, py::object cls, const std::string& path,
                           bool all) { guards.add_class(cls.ptr(), all, path); })
      .def("add_member",
           [](StateGuards& guards, py::object object, py::object descriptor, const std::string& path) {
             return guards.add_member(object.ptr(), descriptor.ptr(), path);
           })
      .def("add_alias_links",
           [](StateGuards& guards, const std::vector<at::Tensor>& inputs, const std::vector<py::object>& tensors) {
             std::vector<at::TensorImpl*> impls = impls_of(inputs);
             std::vector<PyObject*> objects;
             for (const py::object& tensor : tensors) objects.push_back(tensor.ptr());
             guards.add_alias_links(impls.data(), impls.size(), objects);
           })
      .def("check", &StateGuards::check)
      .def("check_aliases",
           [](const StateGuards& guards, const std::vector<at::Tensor>& arguments) {
             std::vector<at::TensorImpl*> impls = impls_of(arguments);
             return guards.check_aliases(impls.data(), impls.size());
           })
      .def("changed", &StateGuards::changed)
      .def("describe", &StateGuards::describe)
      .def("__len__", &StateGuards::size)
      .def_property_readonly("dict_count", &StateGuards::dict_count)
      .def_property_readonly("watched_dict_count", &StateGuards::watched_dict_count,
                             "Dicts of which Python tells when they change.")
      .def_property_readonly("noted_dict_count", &StateGuards::noted_dict_count,
                             "Those that may have changed, by what Python told, since they were last looked at.");
}

}  // namespace

void bind_guards(py::module_& module) {
  const char* what = nullptr;
  if (!cpython::layouts_hold(&what)) {
    throw py::import_error(std::string("braze does not know this Python's ") + what +
                           "; it supports CPython 3.11 and 3.12");
  }
  bind_arguments(module);
  bind_torch_state(module);
  bind_state_guards(module);
  module.def("is_immutable_value", [](py::handle object) { return is_immutable_value(object.ptr()); });
  module.def("same_value", [](py::handle a, py::handle b) { return same_value(a.ptr(), b.ptr()); });
}

}  // namespace braze
