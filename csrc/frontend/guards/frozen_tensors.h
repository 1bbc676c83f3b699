// That the tensors whose numbers an entry keeps, folded or packed, still hold those numbers.
//
// Every call compares the memory each tensor is on and its version counter, which in-place operators move, under
// no_grad too. What writes past the counter (`tensor.data`, NumPy, another library) is found by its bytes: each call
// reads one cache line of every tensor, another one each time, so a write to a whole tensor is seen by the next call;
// and it goes on through all their memory, block by block, so that any other write is seen within `kCallsAround` calls.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace braze {

class FrozenTensors {
 public:
  static constexpr size_t kCallsAround = 256;

  /// `slot`: its place among the tensors of a call.
  void add(size_t slot, const at::Tensor& tensor);

  /// Hot. Once false, always false.
  bool check(at::TensorImpl* const* inputs) {
    if (stale_) return false;
    stale_ = !are_same(inputs) || !is_sample_same();
    return !stale_;
  }

  bool is_stale() const { return stale_; }
  size_t size() const { return tensors_.size(); }
  size_t bytes() const;

 private:
  static constexpr size_t kLine = 64, kMostLines = 64, kBlock = 4096;

  struct Tensor {
    size_t slot;
    c10::weak_intrusive_ptr<c10::StorageImpl> storage;  // its address stays taken while this lives
    const char* data;
    size_t bytes;
    uint32_t version;
    size_t lines, first_line;  // how many are kept, and where in lines_
  };
  struct Block {
    const char* data;
    size_t bytes;
    uint64_t fingerprint;
  };

  bool are_same(at::TensorImpl* const* inputs) const;
  bool is_sample_same();
  static const char* line(const Tensor& tensor, size_t index);
  static size_t line_bytes(const Tensor& tensor) { return tensor.bytes < kLine ? tensor.bytes : kLine; }

  std::vector<Tensor> tensors_;
  std::vector<char> lines_;
  std::vector<Block> blocks_;
  size_t turn_ = 0, next_block_ = 0;
  bool stale_ = false;
};

}  // namespace braze
