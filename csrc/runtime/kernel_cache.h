// Native code by Loop IR text, shared by every plan of the process: from memory, else from disk, else compiled.
//
// One kernel is one object file, so that graphs share kernels however they meet. Missing kernels of a request are
// compiled on all cores; two threads that miss the same kernel wait for one compilation. Code stays loaded while a plan
// holds it, and a while longer: beyond a limit, kernels nobody holds are dropped, least recently used first.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "backends/backend.h"
#include "runtime/disk_cache.h"
#include "support/hash.h"

namespace braze {

enum class KernelOrigin : uint8_t { Memory, Disk, Compiled };

/// A kernel ready to be called, for as long as somebody holds it.
struct CompiledKernel {
  KernelFn run = nullptr;
  std::string name;  // its symbol, also its name in dumps and profiles
  int64_t object_bytes = 0;
  double compile_ms = 0;  // text to object; 0 when it came from disk
  double load_ms = 0;     // object to callable code
  std::shared_ptr<LoadedCode> code;
};
using KernelHandle = std::shared_ptr<const CompiledKernel>;

struct FoundKernel {
  KernelHandle kernel;
  KernelOrigin origin = KernelOrigin::Memory;
};

struct KernelCacheInfo {
  int64_t loaded = 0, object_bytes = 0;                  // now
  int64_t compiled = 0, from_disk = 0, from_memory = 0;  // since the start
};

class KernelCache {
 public:
  /// Answers where code is kept between processes: null for nowhere.
  using DiskCacheNow = std::function<DiskCache*()>;

  /// The backend must outlive the cache.
  KernelCache(const Backend& backend, DiskCacheNow disk, size_t max_kernels = 4096);

  /// The kernels of these texts, in order. Raises what compiling or loading one of them raised.
  std::vector<FoundKernel> get(const std::vector<std::string>& texts, const CodegenOptions& options);

  /// Forgets every kernel that no plan holds.
  void clear();
  KernelCacheInfo info() const;

  const Backend& backend() const { return backend_; }

  /// Between these nothing of the cache is in motion, so that a fork between them leaves a child in which the cache
  /// works.
  void prepare_fork();
  void finish_fork_in_parent();
  void finish_fork_in_child();

 private:
  struct Slot {
    KernelHandle kernel;  // null while it is being made, and when that failed
    std::exception_ptr failure;
    uint64_t last_use = 0;
  };
  using SlotPtr = std::shared_ptr<Slot>;
  struct Job;

  void make_all(std::vector<Job>& jobs, const CodegenOptions& options);
  void make(Job& job, const CodegenOptions& options);
  KernelHandle load_or_compile(Job& job, const CodegenOptions& options);
  void drop_idle(size_t keep);

  const Backend& backend_;
  const DiskCacheNow disk_;
  const size_t max_kernels_;

  mutable std::mutex mutex_;
  std::condition_variable made_;
  std::unordered_map<Hash128, SlotPtr, Hash128Hasher> slots_;
  int requests_ = 0;  // running calls of get
  int forks_ = 0;     // forks about to happen
  uint64_t clock_ = 0;
  int64_t compiled_ = 0, from_disk_ = 0, from_memory_ = 0;
};

/// The cache of this process over the CPU backend and the process's disk cache. Works on in a forked child.
KernelCache& process_kernel_cache();

}  // namespace braze
