// One function a bind_<subject>.cpp: each adds its part to the module.
#pragma once

#include <torch/csrc/utils/pybind.h>

namespace braze {

void bind_cache(pybind11::module_& m);
void bind_call(pybind11::module_& m);
void bind_capture(pybind11::module_& m);
void bind_errors(pybind11::module_& m);
void bind_guards(pybind11::module_& m);
void bind_options(pybind11::module_& m);
void bind_overhead(pybind11::module_& m);
void bind_program(pybind11::module_& m);

}  // namespace braze
