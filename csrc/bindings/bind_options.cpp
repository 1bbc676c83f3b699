// Options for Python: one class with an attribute a row of options.def, the table itself, and the process's own options.
#include <pybind11/stl.h>

#include <string>

#include "bindings/bindings.h"
#include "support/error.h"
#include "support/log.h"
#include "support/options.h"

namespace py = pybind11;

namespace braze {

namespace {

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
        [name](Options& self, const OptionValue& value) { set_option(self, name, value); });
  }
  options.def("code_key", &code_key, "The options that change generated code, as text.");

  module.def("options_table", &table_as_list, "options.def as a list of dicts.");
  module.def("set_process_option", &set_process_option, py::arg("name"), py::arg("value"),
             "Sets one option for the whole process.");
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
