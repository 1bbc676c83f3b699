// Big blocks ask the system for huge pages.
#include "runtime/arena.h"

#include <sys/mman.h>

#include <new>

namespace braze {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kHugePage = size_t{2} << 20;

}  // namespace

Arena::Arena(int64_t bytes) {
  if (bytes <= 0) return;
  const auto wanted = static_cast<size_t>(bytes);
  const bool big = wanted >= 2 * kHugePage;
  const size_t alignment = big ? kHugePage : kAlignment;
  const size_t rounded = (wanted + alignment - 1) / alignment * alignment;
  memory_.reset(static_cast<std::byte*>(std::aligned_alloc(alignment, rounded)));
  if (!memory_) throw std::bad_alloc();
  if (big)
    madvise(memory_.get(), rounded, MADV_HUGEPAGE);  // a hint: fewer page faults and TLB misses where the system agrees
}

}  // namespace braze
