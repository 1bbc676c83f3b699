// braze::Error as Python sees it: braze.UserError for a mistake of the caller, braze.InternalError for a bug of ours.
#include <pybind11/pybind11.h>

#include "support/error.h"

namespace py = pybind11;

namespace braze {

void bind_errors(py::module_& module) {
  static py::handle user_error = py::module_::import("braze.errors").attr("UserError").release();
  static py::handle internal_error = py::module_::import("braze.errors").attr("InternalError").release();
  py::register_local_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const Error& error) {
      PyErr_SetString((error.kind() == Error::Kind::User ? user_error : internal_error).ptr(), error.what());
    }
  });
}

}  // namespace braze
