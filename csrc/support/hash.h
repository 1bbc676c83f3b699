// 128-bit content hashes, the names of everything the caches keep.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace braze {

struct Hash128 {
  uint64_t high = 0;
  uint64_t low = 0;
  bool operator==(const Hash128&) const = default;

  /// 32 lower-case hex digits.
  std::string hex() const;
};

/// The hash of some bytes (XXH3, 128 bits). Not for secrets: an adversary can make two texts collide.
Hash128 hash_bytes(std::string_view bytes);
/// hash_bytes(bytes).hex(), the form file names and cache keys use.
std::string hash_hex(std::string_view bytes);

/// Lets a Hash128 key an unordered container.
struct Hash128Hasher {
  size_t operator()(const Hash128& hash) const { return static_cast<size_t>(hash.low); }
};

}  // namespace braze
