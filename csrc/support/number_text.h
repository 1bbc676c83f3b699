// Numbers and strings as text that reads back to the same bits: what every printer and parser of ours uses.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace braze {

/// A double as hexadecimal ("0x1.8p+1"), "inf", "-inf", "nan", or "nan:" and its bits when they are not the usual ones.
std::string double_text(double value);
/// Reads what double_text writes; nothing when `text` is anything else.
std::optional<double> double_from_text(std::string_view text);

std::optional<int64_t> int_from_text(std::string_view text);

/// `text` in double quotes, with \" \\ \n and \xNN for what would not survive on a line.
std::string quoted(std::string_view text);
/// The inverse of quoted, from the opening quote on; `length` receives how many characters it took. Nothing when
/// damaged.
std::optional<std::string> unquoted(std::string_view text, size_t& length);

}  // namespace braze
