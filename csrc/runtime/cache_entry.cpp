// The layout of an entry, written and compared as a whole.
#include "runtime/cache_entry.h"

#include <cstdint>
#include <cstring>

#include "support/hash.h"

namespace braze {
namespace {

constexpr char kMagic[8] = {'b', 'r', 'a', 'z', 'e', '\r', '\n', '\x1a'};
constexpr uint32_t kFormat = 1;

/// Each field but the checksum has one right value for a given key and file size; the checksum covers key and payload.
struct Header {
  char magic[8];
  uint32_t format;
  uint32_t key_bytes;
  uint64_t payload_bytes;
  uint64_t checksum_high;
  uint64_t checksum_low;
};
static_assert(sizeof(Header) == 40, "the header has no padding");

Header header_for(std::string_view body, size_t key_bytes) {
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.format = kFormat;
  header.key_bytes = static_cast<uint32_t>(key_bytes);
  header.payload_bytes = body.size() - key_bytes;
  const Hash128 checksum = hash_bytes(body);
  header.checksum_high = checksum.high;
  header.checksum_low = checksum.low;
  return header;
}

}  // namespace

std::string encode_entry(std::string_view key, std::string_view payload) {
  std::string bytes(sizeof(Header), '\0');
  bytes.append(key).append(payload);
  const Header header = header_for(std::string_view(bytes).substr(sizeof(Header)), key.size());
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

std::optional<std::string> decode_entry(std::string_view bytes, std::string_view key) {
  if (bytes.size() < sizeof(Header) + key.size()) return std::nullopt;
  const std::string_view body = bytes.substr(sizeof(Header));
  if (body.substr(0, key.size()) != key) return std::nullopt;
  const Header expected = header_for(body, key.size());
  if (std::memcmp(bytes.data(), &expected, sizeof expected) != 0) return std::nullopt;
  return std::string(body.substr(key.size()));
}

}  // namespace braze
