// Offsets of buffers in one arena: those alive at the same time never overlap.
#pragma once

#include <cstdint>
#include <vector>

namespace braze {

struct ArenaRequest {
  int64_t bytes = 0;
  int start = 0, end = 0;  // steps, both included
  int64_t offset = 0;      // the answer
  bool operator==(const ArenaRequest&) const = default;
};

/// Fills in 64-byte aligned offsets, best fit in order of start, and returns the bytes of the arena.
int64_t lay_out_arena(std::vector<ArenaRequest>& requests);

}  // namespace braze
