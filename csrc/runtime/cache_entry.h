// One file of the disk cache as bytes: a fixed header, the whole key, the payload. Everything is checked on reading, so
// that a file that is damaged, cut short, of another format or of another key is no entry.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace braze {

std::string encode_entry(std::string_view key, std::string_view payload);
/// The payload, if `bytes` are exactly an entry of this key.
std::optional<std::string> decode_entry(std::string_view bytes, std::string_view key);

}  // namespace braze
