#include "runtime/arena.h"

#include <sys/mman.h>

#include <cstdlib>
#include <new>

namespace braze {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kMaxSpare = 16;  // blocks kept for calls that overlap, besides the one that is ready

std::byte* allocate(size_t bytes) {
  const bool big = bytes >= 2 * kHugePage;
  const size_t alignment = big ? kHugePage : kAlignment;
  const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, rounded);
  if (!memory) throw std::bad_alloc();
  if (big) madvise(memory, rounded, MADV_HUGEPAGE);  // a hint: fewer page faults and TLB misses where the system agrees
  return static_cast<std::byte*>(memory);
}

}  // namespace

ArenaPool::ArenaPool(int64_t bytes) : bytes_(bytes) { spare_.reserve(kMaxSpare); }

ArenaPool::~ArenaPool() { trim(); }

std::byte* ArenaPool::take_slowly() {
  {
    std::lock_guard lock(mutex_);
    if (!spare_.empty()) {
      std::byte* memory = spare_.back();
      spare_.pop_back();
      return memory;
    }
  }
  return allocate(static_cast<size_t>(bytes_));
}

void ArenaPool::give_back_slowly(std::byte* memory) {
  {
    std::lock_guard lock(mutex_);
    if (spare_.size() < kMaxSpare) {
      spare_.push_back(memory);
      return;
    }
  }
  std::free(memory);
}

size_t ArenaPool::idle_blocks() const {
  std::lock_guard lock(mutex_);
  return spare_.size() + (ready_.load(std::memory_order_relaxed) ? 1 : 0);
}

void ArenaPool::trim() {
  std::lock_guard lock(mutex_);
  std::free(ready_.exchange(nullptr, std::memory_order_acquire));
  for (std::byte* memory : spare_) std::free(memory);
  spare_.clear();
}

}  // namespace braze
