// Big blocks ask the system for huge pages.
#include "runtime/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <new>

namespace braze {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kSizesAnOctave = 8;

}  // namespace

/// A block that was freed serves the next of nearly its size, for the sizes of calls vary: there are few sizes of
/// blocks, and none is cut from a larger one to be aligned.
Arena::Arena(int64_t bytes) {
  if (bytes <= 0) return;
  const auto wanted = static_cast<size_t>(bytes);
  const bool big = wanted >= 2 * kHugePage;
  const size_t alignment = big ? kHugePage : kAlignment;
  const size_t step = std::max(alignment, std::bit_floor(wanted) / kSizesAnOctave);
  const size_t rounded = (wanted + step - 1) / step * step;
  memory_.reset(static_cast<std::byte*>(std::malloc(rounded + alignment)));
  if (!memory_) throw std::bad_alloc();
  const auto address = reinterpret_cast<uintptr_t>(memory_.get());
  data_ = memory_.get() + (alignment - address % alignment);
  if (big) madvise(data_, rounded, MADV_HUGEPAGE);  // a hint: fewer page faults and TLB misses where the system agrees
}

}  // namespace braze
