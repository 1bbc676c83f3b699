#include "frontend/guards/frozen_tensors.h"

#include <algorithm>
#include <cstring>

namespace braze {
namespace {

/// Of memory: four chains, so that the multiplications overlap.
uint64_t fingerprint(const char* data, size_t bytes) {
  constexpr uint64_t kPrime = 0x9e3779b97f4a7c15;
  uint64_t chains[4] = {1, 2, 3, 4};
  for (; bytes >= sizeof chains; data += sizeof chains, bytes -= sizeof chains) {
    uint64_t words[4];
    std::memcpy(words, data, sizeof words);
    for (int i = 0; i < 4; ++i) chains[i] = (chains[i] ^ words[i]) * kPrime;
  }
  uint64_t rest[4] = {};
  std::memcpy(rest, data, bytes);
  uint64_t result = 0;
  for (int i = 0; i < 4; ++i) {
    const uint64_t mixed = (chains[i] ^ rest[i]) * kPrime;
    result = (result ^ mixed ^ (mixed >> 29)) * kPrime;
  }
  return result;
}

size_t span_bytes(const at::Tensor& tensor) {
  if (tensor.numel() == 0) return 0;
  int64_t last = 0;
  for (int64_t d = 0; d < tensor.dim(); ++d) last += (tensor.size(d) - 1) * tensor.stride(d);
  return static_cast<size_t>(last + 1) * tensor.element_size();
}

}  // namespace

void FrozenTensors::add(size_t slot, const at::Tensor& tensor) {
  const char* data = static_cast<const char*>(tensor.unsafeGetTensorImpl()->data());
  Tensor entry{slot,
               c10::weak_intrusive_ptr<c10::StorageImpl>(tensor.storage().getWeakStorageImpl()),
               data,
               span_bytes(tensor),
               static_cast<uint32_t>(tensor._version()),
               0,
               lines_.size()};
  entry.lines = std::clamp<size_t>(entry.bytes / kLine, entry.bytes > 0 ? 1 : 0, kMostLines);
  for (size_t k = 0; k < entry.lines; ++k) {
    const char* begin = line(entry, k);
    lines_.insert(lines_.end(), begin, begin + line_bytes(entry));
  }
  for (size_t at = 0; at < entry.bytes; at += kBlock) {
    const size_t bytes = std::min(kBlock, entry.bytes - at);
    blocks_.push_back({data + at, bytes, fingerprint(data + at, bytes)});
  }
  tensors_.push_back(std::move(entry));
}

const char* FrozenTensors::line(const Tensor& tensor, size_t index) {
  return tensor.data + index * (tensor.bytes / tensor.lines) / kLine * kLine;
}

bool FrozenTensors::are_same(at::TensorImpl* const* inputs) const {
  for (const Tensor& tensor : tensors_) {
    at::TensorImpl* impl = inputs[tensor.slot];
    const c10::StorageImpl* storage = impl->unsafe_storage().unsafeGetStorageImpl();
    if (storage != tensor.storage._unsafe_get_target() || impl->data() != tensor.data || impl->is_inference() ||
        impl->version_counter().current_version() != tensor.version)
      return false;
  }
  return true;
}

bool FrozenTensors::is_sample_same() {
  for (const Tensor& tensor : tensors_) {
    if (tensor.lines == 0) continue;
    const size_t index = turn_ % tensor.lines, bytes = line_bytes(tensor);
    if (std::memcmp(line(tensor, index), lines_.data() + tensor.first_line + index * bytes, bytes) != 0) return false;
  }
  ++turn_;
  for (size_t k = (blocks_.size() + kCallsAround - 1) / kCallsAround; k > 0; --k) {
    const Block& block = blocks_[next_block_];
    if (fingerprint(block.data, block.bytes) != block.fingerprint) return false;
    next_block_ = next_block_ + 1 == blocks_.size() ? 0 : next_block_ + 1;
  }
  return true;
}

size_t FrozenTensors::bytes() const {
  size_t total = 0;
  for (const Tensor& tensor : tensors_) total += tensor.bytes;
  return total;
}

}  // namespace braze
