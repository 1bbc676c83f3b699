// Test support: a kernel compiled through the C interface, run beside the interpreter on random memory.
#pragma once

#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "backends/cpu/llvm_api.h"
#include "schedule/kernel.h"

namespace braze {

/// The instruction sets this host can run, the empty name (all it has) first.
const std::vector<std::string>& runnable_isas();

/// Code for one kernel. Throws with the message of the failing call.
class CompiledKernel {
 public:
  explicit CompiledKernel(const Kernel& kernel, const std::string& isa = "", bool fast_math = false);
  CompiledKernel(const CompiledKernel&) = delete;
  ~CompiledKernel();

  int64_t operator()(void* const* params, int64_t begin, int64_t end) const { return function_(params, begin, end); }
  const std::string& dump() const { return dump_; }

 private:
  braze_llvm_module* module_ = nullptr;
  braze_kernel_fn function_ = nullptr;
  std::string dump_;
};

/// Buffers for a kernel's params, large enough for its accesses, with guard bytes behind each.
class Memory {
 public:
  explicit Memory(const Kernel& kernel);

  void fill(std::mt19937& random);
  std::vector<void*> pointers();
  template <typename T>
  T* as(int param) {
    return reinterpret_cast<T*>(buffers_[param].data() + kGuard);
  }
  int64_t length(int param) const { return lengths_[param]; }
  bool guards_intact() const;
  const Kernel& kernel() const { return kernel_; }

 private:
  static constexpr size_t kGuard = 64;
  Kernel kernel_;
  std::vector<int64_t> lengths_;
  std::vector<std::vector<char>> buffers_;
};

/// Runs `kernel` compiled and interpreted on equal memory, whole and in pieces, for each instruction set; checks that
/// all agree within `ulps` (of the dtype stored) or absolute `slack`.
void check_against_interpreter(const Kernel& kernel, double ulps = 0, double slack = 0, uint32_t seed = 1);
/// The same from text.
void check_against_interpreter(const std::string& text, double ulps = 0, double slack = 0, uint32_t seed = 1);

/// Binds the external vector functions to the C library's, lane by lane.
void bind_scalar_math();

}  // namespace braze
