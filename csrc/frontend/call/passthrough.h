// When compiled callables step aside and just call their function: while this thread records, or when compilation is
// switched off.
#pragma once

namespace braze {

/// Depth of reasons on this thread: recording, `braze.disable()`.
inline thread_local int passthrough_depth = 0;

/// Switched off for the whole process.
inline bool compilation_disabled = false;

inline bool passthrough() { return __builtin_expect(passthrough_depth != 0 || compilation_disabled, 0); }

/// Makes compiled callables step aside on this thread while it lives.
class Passthrough {
 public:
  Passthrough() { ++passthrough_depth; }
  ~Passthrough() { --passthrough_depth; }
  Passthrough(const Passthrough&) = delete;
  Passthrough& operator=(const Passthrough&) = delete;
};

}  // namespace braze
