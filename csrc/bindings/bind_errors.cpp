// braze::Error as Python sees it: braze.UserError for a mistake of the caller, braze.InternalError for a bug of ours.
#include "bindings/bindings.h"
#include "support/error.h"

namespace py = pybind11;

namespace braze {

void bind_errors(py::module_&) {
  const py::module_ errors = py::module_::import("braze.errors");
  static const py::handle user_error = py::object(errors.attr("UserError")).release();
  static const py::handle internal_error = py::object(errors.attr("InternalError")).release();
  py::register_local_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const Error& error) {
      PyErr_SetString((error.kind() == Error::Kind::User ? user_error : internal_error).ptr(), error.what());
    }
  });
}

}  // namespace braze
