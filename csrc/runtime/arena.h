// Scratch memory of an entry: one block a running call, handed back for the next. Calls of one entry that overlap in time (other
// threads, or a call within a call) get blocks of their own; the usual single user takes and returns its block without a lock.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

namespace braze {

class ArenaPool {
 public:
  /// A block held by one call.
  class Lease {
   public:
    Lease(ArenaPool& pool, std::byte* memory) : pool_(&pool), memory_(memory) {}
    Lease(Lease&& other) noexcept : pool_(other.pool_), memory_(std::exchange(other.memory_, nullptr)) {}
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (memory_) pool_->give_back(memory_);
    }
    /// 64-byte aligned, as many bytes as the pool's blocks have; null when that is none.
    std::byte* data() const { return memory_; }

   private:
    ArenaPool* pool_;
    std::byte* memory_;
  };

  explicit ArenaPool(int64_t bytes);
  ~ArenaPool();
  ArenaPool(const ArenaPool&) = delete;
  ArenaPool& operator=(const ArenaPool&) = delete;

  /// Raises std::bad_alloc when there is no memory for one more block.
  Lease take() {
    if (bytes_ == 0) return {*this, nullptr};
    std::byte* ready = ready_.exchange(nullptr, std::memory_order_acquire);
    return {*this, ready ? ready : take_slowly()};
  }

  int64_t bytes() const { return bytes_; }
  /// Blocks not in use now.
  size_t idle_blocks() const;
  /// Frees every block not in use now.
  void trim();

 private:
  void give_back(std::byte* memory) {
    std::byte* none = nullptr;
    if (!ready_.compare_exchange_strong(none, memory, std::memory_order_release, std::memory_order_relaxed))
      give_back_slowly(memory);
  }
  std::byte* take_slowly();
  void give_back_slowly(std::byte* memory);

  const int64_t bytes_;
  std::atomic<std::byte*> ready_{nullptr};
  mutable std::mutex mutex_;
  std::vector<std::byte*> spare_;
};

}  // namespace braze
