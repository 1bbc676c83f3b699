// A list of blocks that wait for an output of their size, the longest waiting one first.
#include "frontend/call/output_memory.h"

#include <c10/core/CPUAllocator.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "runtime/arena.h"

namespace braze {
namespace {

constexpr size_t kBigBytes = size_t{4} << 20;
constexpr size_t kGranule = size_t{2} << 20;        // sizes are rounded up to it
constexpr size_t kMostWaiting = size_t{128} << 20;  // bytes

struct Block {
  explicit Block(size_t bytes) : bytes(bytes), memory(static_cast<int64_t>(bytes)) {}

  size_t bytes;
  Arena memory;
};

/// Never destroyed: tensors may outlive whatever the process ends in order.
class BigBlocks : public c10::Allocator {
 public:
  static BigBlocks& instance() {
    static auto* blocks = new BigBlocks;
    return *blocks;
  }

  c10::DataPtr allocate(size_t bytes) override {
    if (bytes < kBigBytes) return c10::GetCPUAllocator()->allocate(bytes);  // a tensor that was made smaller
    try {
      auto block = take((bytes + kGranule - 1) / kGranule * kGranule);
      void* data = block->memory.data();
      return {data, block.release(), &give_back, c10::Device(c10::DeviceType::CPU)};
    } catch (const std::bad_alloc&) {
      free_waiting();
      return c10::GetCPUAllocator()->allocate(bytes);  // finds room or raises what eager does
    }
  }

  bool is_simple_data_ptr(const c10::DataPtr& data) const override {
    return data.get_deleter() == &give_back || c10::GetCPUAllocator()->is_simple_data_ptr(data);
  }

  void copy_data(void* to, const void* from, size_t bytes) const override { default_copy_data(to, from, bytes); }

 private:
  std::unique_ptr<Block> take(size_t bytes) {
    if (const std::unique_lock lock(mutex_, std::try_to_lock); lock) {
      const auto fits = [&](const std::unique_ptr<Block>& block) { return block->bytes == bytes; };
      const auto at = std::find_if(waiting_.rbegin(), waiting_.rend(), fits);
      if (at != waiting_.rend()) {
        std::unique_ptr<Block> block = std::move(*at);
        waiting_.erase(std::next(at).base());
        waiting_bytes_ -= bytes;
        return block;
      }
    }
    return std::make_unique<Block>(bytes);
  }

  static void give_back(void* context) { instance().wait(std::unique_ptr<Block>(static_cast<Block*>(context))); }

  void wait(std::unique_ptr<Block> block) {
    if (block->bytes > kMostWaiting) return;
    std::vector<std::unique_ptr<Block>> given_up;  // freed when the lock is no longer held
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock) return;
    waiting_bytes_ += block->bytes;
    waiting_.push_back(std::move(block));
    while (waiting_bytes_ > kMostWaiting) {
      waiting_bytes_ -= waiting_.front()->bytes;
      given_up.push_back(std::move(waiting_.front()));
      waiting_.erase(waiting_.begin());
    }
  }

  void free_waiting() {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock) return;
    waiting_.clear();
    waiting_bytes_ = 0;
  }

  std::mutex mutex_;  // never waited for: in a forked child nobody may be left to unlock it
  std::vector<std::unique_ptr<Block>> waiting_;
  size_t waiting_bytes_ = 0;
};

}  // namespace

c10::Allocator* output_allocator(int64_t bytes) {
  if (bytes < static_cast<int64_t>(kBigBytes)) return c10::GetCPUAllocator();
  return &BigBlocks::instance();
}

}  // namespace braze
