// What an entry costs a call before its work begins, for benchmarks and the demo.
#include <chrono>

#include "bindings/bindings.h"
#include "frontend/call/entry.h"
#include "frontend/call/vector_arguments.h"

namespace py = pybind11;

namespace braze {
namespace {

double guard_microseconds(Entry& entry, const py::tuple& args, const py::dict& kwargs, int repeats) {
  const VectorArguments call(args.ptr(), kwargs.ptr());
  bool holds = true;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < repeats; ++i) {
    CallInputs inputs;
    const TorchState now = TorchState::current();
    holds &= entry.matches(now, call.values.data(), call.positional, call.keyword_names.get(), inputs);
  }
  const std::chrono::duration<double, std::micro> taken = std::chrono::steady_clock::now() - start;
  if (!holds) throw py::value_error("guard_microseconds: the entry does not answer this call");
  return taken.count() / repeats;
}

}  // namespace

void bind_overhead(py::module_& module) {
  module.def("guard_microseconds", &guard_microseconds, py::arg("entry"), py::arg("args"), py::arg("kwargs"),
             py::arg("repeats") = 100, "Microseconds that testing the entry's guards takes for this call.");
}

}  // namespace braze
