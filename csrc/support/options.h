// Options from one table (options.def): the struct, reading and writing by name, the environment, and the part of a
// cache key they are.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace braze {

/// The C++ type behind each type name of options.def.
namespace option_type {
using Switch = bool;
using Maybe = std::optional<bool>;
using Number = int64_t;
using Choice = std::string;
using List = std::string;
using Text = std::string;
}  // namespace option_type

struct Options {
#define OPTION(name, type, value, code, scope, accepts, help) option_type::type name = value;
#include "support/options.def"
#undef OPTION
};

enum class OptionType : uint8_t { Switch, Maybe, Number, Choice, List, Text };
enum class OptionScope : uint8_t { Call, Process };

struct OptionInfo {
  std::string_view name;
  OptionType type;
  bool changes_code;
  OptionScope scope;
  std::string_view accepts;
  std::string_view help;
};

const std::vector<OptionInfo>& option_table();

/// None, a switch, a number or a text, as Python sees it.
using OptionValue = std::variant<std::monostate, bool, int64_t, std::string>;

/// Both raise a User error for a name that is not in the table; set_option also for a value the row does not accept.
OptionValue get_option(const Options& options, std::string_view name);
void set_option(Options& options, std::string_view name, const OptionValue& value);

/// The options that change generated code, as text: "numerics=eager freeze=False ...".
std::string code_key(const Options& options);

/// The process's own options: first what the environment says, then what set_process_option made of it. Any thread.
Options process_options();
void set_process_option(std::string_view name, const OptionValue& value);

}  // namespace braze
