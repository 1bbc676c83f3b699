// Scratch memory of a running call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

namespace braze {

/// A block of memory, 64-byte aligned; empty when it has no bytes. Raises std::bad_alloc when there is no memory.
class Arena {
 public:
  explicit Arena(int64_t bytes);
  std::byte* data() const { return data_; }

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  std::byte* data_ = nullptr;
};

}  // namespace braze
