// Hexadecimal floats by std::to_chars, so neither rounding nor the locale has a say.
#include "support/number_text.h"

#include <bit>
#include <charconv>
#include <cmath>

namespace braze {
namespace {

constexpr uint64_t kUsualNan = 0x7ff8000000000000;
constexpr std::string_view kNanBits = "nan:0x";

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

template <typename Number, typename... Base>
std::optional<Number> from_chars(std::string_view text, Base... base) {
  Number value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base...);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

}  // namespace

std::string double_text(double value) {
  char buffer[64];
  if (std::isnan(value)) {
    uint64_t bits = std::bit_cast<uint64_t>(value);
    if (bits == kUsualNan) return "nan";
    auto end = std::to_chars(buffer, buffer + sizeof buffer, bits, 16).ptr;
    return std::string(kNanBits) + std::string(buffer, end);
  }
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  auto end = std::to_chars(buffer, buffer + sizeof buffer, std::fabs(value), std::chars_format::hex).ptr;
  return std::string(std::signbit(value) ? "-0x" : "0x") + std::string(buffer, end);
}

std::optional<double> double_from_text(std::string_view text) {
  if (text == "nan") return std::bit_cast<double>(kUsualNan);
  if (text == "inf") return HUGE_VAL;
  if (text == "-inf") return -HUGE_VAL;
  if (text.starts_with(kNanBits)) {
    auto bits = from_chars<uint64_t>(text.substr(kNanBits.size()), 16);
    if (!bits || !std::isnan(std::bit_cast<double>(*bits))) return std::nullopt;
    return std::bit_cast<double>(*bits);
  }
  bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  if (!text.starts_with("0x") || text.size() < 3 || hex_digit(text[2]) < 0) return std::nullopt;
  auto magnitude = from_chars<double>(text.substr(2), std::chars_format::hex);
  if (!magnitude) return std::nullopt;
  return negative ? -*magnitude : *magnitude;
}

std::optional<int64_t> int_from_text(std::string_view text) { return from_chars<int64_t>(text, 10); }

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      (out += '\\') += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\x";
      out += "0123456789abcdef"[byte >> 4];
      out += "0123456789abcdef"[byte & 15];
    } else {
      out += c;
    }
  }
  return out += '"';
}

std::optional<std::string> unquoted(std::string_view text, size_t& length) {
  if (!text.starts_with('"')) return std::nullopt;
  std::string out;
  for (size_t i = 1; i < text.size(); ++i) {
    char c = text[i];
    if (c == '"') {
      length = i + 1;
      return out;
    }
    if (c != '\\') {
      out += c;
      continue;
    }
    if (++i >= text.size()) return std::nullopt;
    if (text[i] == 'n') {
      out += '\n';
    } else if (text[i] == '"' || text[i] == '\\') {
      out += text[i];
    } else if (text[i] == 'x' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

}  // namespace braze
