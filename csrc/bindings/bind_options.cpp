// Options for Python: one class with an attribute a row of options.def, the table itself, and the process's own
// options.
#include <pybind11/stl.h>

#include <string>

#include "bindings/bindings.h"
#include "support/error.h"
#include "support/log.h"
#include "support/options.h"

namespace py = pybind11;

namespace braze {

namespace {

/// Takes only what an option can hold: nothing is converted, so 1 is not True and 2.0 is not 2.
OptionValue option_value(const std::string& name, py::handle value) {
  if (value.is_none()) return std::monostate();
  if (PyBool_Check(value.ptr())) return value.is(py::handle(Py_True));
  if (PyUnicode_Check(value.ptr())) return py::cast<std::string>(value);
  int overflows = 0;
  if (PyLong_Check(value.ptr())) {
    const long long number = PyLong_AsLongLongAndOverflow(value.ptr(), &overflows);
    if (!overflows) return static_cast<int64_t>(number);
  }
  throw Error(Error::Kind::User, name + "=" + std::string(py::repr(value)) +
                                     " is not accepted; an option is a bool, a whole number, a text or None");
}

py::list table_as_list() {
  const Options defaults;
  py::list rows;
  for (const OptionInfo& info : option_table()) {
    py::dict row;
    row["name"] = std::string(info.name);
    row["default"] = py::cast(get_option(defaults, info.name));
    row["accepts"] = std::string(info.accepts);
    row["changes_code"] = info.changes_code;
    row["per_call"] = info.scope == OptionScope::Call;
    row["help"] = std::string(info.help);
    rows.append(row);
  }
  return rows;
}

}  // namespace

void bind_options(py::module_& module) {
  py::class_<Options> options(module, "Options", "A set of options; starts as a copy of the process's own.");
  process_options();  // a mistake in the environment stops the import here
  options.def(py::init([] { return process_options(); }));
  for (const OptionInfo& info : option_table()) {
    const std::string name(info.name);
    options.def_property(
        name.c_str(), [name](const Options& self) { return get_option(self, name); },
        [name](Options& self, py::handle value) { set_option(self, name, option_value(name, value)); });
  }
  options.def("code_key", &code_key, "The options that change generated code, as text.");

  module.def("options_table", &table_as_list, "options.def as a list of dicts.");
  module.def(
      "set_process_option",
      [](const std::string& name, py::handle value) { set_process_option(name, option_value(name, value)); },
      py::arg("name"), py::arg("value"), "Sets one option for the whole process.");
  module.def(
      "log_line",
      [](const std::string& channel, const std::string& line) {
        const auto known = log_channel(channel);
        check_internal(known.has_value(), "no log channel " + channel);
        log_line(*known, line);
      },
      py::arg("channel"), py::arg("line"), "Writes a line to stderr if the log option names the channel.");
}

}  // namespace braze
