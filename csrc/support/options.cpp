#include "support/options.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <mutex>

#include "support/error.h"
#include "support/log.h"

namespace braze {

namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::string show(const OptionValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "True" : "False";
  if (const auto* number = std::get_if<int64_t>(&value)) return std::to_string(*number);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return "None";
}

bool is_accepted(const OptionInfo& info, const std::string& text) {
  if (info.accepts == "*") return true;
  const auto accepted = split(info.accepts, '|');
  const auto known = [&](std::string_view part) {
    return std::find(accepted.begin(), accepted.end(), part) != accepted.end();
  };
  if (info.type != OptionType::List) return known(text);
  if (text.empty()) return true;
  const auto parts = split(text, ',');
  return std::all_of(parts.begin(), parts.end(), known);
}

std::string accepted_text(const OptionInfo& info) {
  if (info.accepts == "*") return info.type == OptionType::Number ? "a whole number" : "a text";
  std::string result;
  const bool is_text = info.type == OptionType::Choice || info.type == OptionType::List;
  for (std::string_view part : split(info.accepts, '|')) {
    if (!result.empty()) result += ", ";
    result += is_text ? '"' + std::string(part) + '"' : std::string(part);
  }
  return info.type == OptionType::List ? "any of " + result + ", with commas between" : result;
}

bool has_right_type(OptionType type, const OptionValue& value) {
  switch (type) {
    case OptionType::Switch: return std::holds_alternative<bool>(value);
    case OptionType::Maybe: return std::holds_alternative<bool>(value) || std::holds_alternative<std::monostate>(value);
    case OptionType::Number: return std::holds_alternative<int64_t>(value) && std::get<int64_t>(value) >= 0;
    default: return std::holds_alternative<std::string>(value);
  }
}

const OptionInfo& find(std::string_view name) {
  std::string names;
  for (const OptionInfo& info : option_table()) {
    if (info.name == name) return info;
    names += (names.empty() ? "" : ", ") + std::string(info.name);
  }
  throw Error(Error::Kind::User, "there is no option '" + std::string(name) + "'; the options are: " + names);
}

void store(bool& field, const OptionValue& value) { field = std::get<bool>(value); }
void store(int64_t& field, const OptionValue& value) { field = std::get<int64_t>(value); }
void store(std::string& field, const OptionValue& value) { field = std::get<std::string>(value); }
void store(std::optional<bool>& field, const OptionValue& value) {
  const bool* flag = std::get_if<bool>(&value);
  field = flag ? std::optional<bool>(*flag) : std::nullopt;
}

OptionValue load(bool field) { return field; }
OptionValue load(int64_t field) { return field; }
OptionValue load(const std::string& field) { return field; }
OptionValue load(const std::optional<bool>& field) { return field ? OptionValue(*field) : OptionValue(); }

/// What a variable of the environment means for an option: switches also take 1 and 0, on and off.
OptionValue value_of_text(const OptionInfo& info, const std::string& text) {
  if (info.type == OptionType::Number) {
    const bool digits = !text.empty() && text.size() < 18 && std::all_of(text.begin(), text.end(), ::isdigit);
    return digits ? OptionValue(static_cast<int64_t>(std::stoll(text))) : OptionValue(text);
  }
  if (info.type != OptionType::Switch && info.type != OptionType::Maybe) return text;
  if (text == "1" || text == "True" || text == "true" || text == "on") return true;
  if (text == "0" || text == "False" || text == "false" || text == "off") return false;
  if (info.type == OptionType::Maybe && (text == "None" || text.empty())) return std::monostate();
  return text;
}

void apply_environment(Options& options) {
  for (const OptionInfo& info : option_table()) {
    std::string variable = "BRAZE_";
    for (char letter : info.name) variable += static_cast<char>(std::toupper(letter));
    const char* text = std::getenv(variable.c_str());
    if (text == nullptr) continue;
    const OptionValue value = value_of_text(info, text);
    check_user(has_right_type(info.type, value) && is_accepted(info, show(value)),
               "the environment has " + variable + "=" + text + "; it accepts: " + accepted_text(info));
    set_option(options, info.name, value);
  }
}

struct ProcessOptions {
  std::mutex mutex;
  Options options;

  ProcessOptions() {
    apply_environment(options);
    set_log_channels(options.log);
  }
};

ProcessOptions& process() {
  static auto* options = new ProcessOptions;  // never destroyed: threads may still compile while the process ends
  return *options;
}

}  // namespace

const std::vector<OptionInfo>& option_table() {
  static const std::vector<OptionInfo> table = {
#define OPTION(name, type, value, code, scope, accepts, help) \
  {#name, OptionType::type, code, OptionScope::scope, accepts, help},
#include "support/options.def"
#undef OPTION
  };
  return table;
}

OptionValue get_option(const Options& options, std::string_view name) {
#define OPTION(field, type, value, code, scope, accepts, help) \
  if (name == #field) return load(options.field);
#include "support/options.def"
#undef OPTION
  find(name);
  return {};
}

void set_option(Options& options, std::string_view name, const OptionValue& value) {
  const OptionInfo& info = find(name);
  check_user(has_right_type(info.type, value) && is_accepted(info, show(value)),
             std::string(name) + "=" + show(value) + " is not accepted; " + std::string(name) +
                 " can be: " + accepted_text(info));
#define OPTION(field, type, default_value, code, scope, accepts, help) \
  if (name == #field) store(options.field, value);
#include "support/options.def"
#undef OPTION
}

std::string code_key(const Options& options) {
  std::string key;
  for (const OptionInfo& info : option_table()) {
    if (!info.changes_code) continue;
    if (!key.empty()) key += ' ';
    key += std::string(info.name) + "=" + show(get_option(options, info.name));
  }
  return key;
}

Options process_options() {
  ProcessOptions& shared = process();
  std::lock_guard lock(shared.mutex);
  return shared.options;
}

void set_process_option(std::string_view name, const OptionValue& value) {
  ProcessOptions& shared = process();
  std::lock_guard lock(shared.mutex);
  set_option(shared.options, name, value);
  if (name == "log") set_log_channels(shared.options.log);
}

}  // namespace braze
