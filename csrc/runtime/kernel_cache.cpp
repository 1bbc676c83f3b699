// One lock guards the table; compiling and loading happen outside it, and who misses what another is making waits for
// it.
#include "runtime/kernel_cache.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <new>
#include <system_error>
#include <thread>
#include <utility>

#include "backends/cpu_library.h"
#include "support/error.h"

namespace braze {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

size_t usable_cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return static_cast<size_t>(CPU_COUNT(&set));
  return std::max(1u, std::thread::hardware_concurrency());
}

/// All that the code depends on besides the text.
std::string key_prefix(const Backend& backend, const CodegenOptions& options) {
  std::string prefix = "kernel for ";
  prefix.append(backend.name()).append("\n").append(backend.target(options));
  return prefix.append(options.fast_math ? "\nnumerics fast\n" : "\nnumerics eager\n");
}

}  // namespace

/// A kernel this request has to make.
struct KernelCache::Job {
  std::string key;
  std::string text;
  Hash128 hash;
  SlotPtr slot;
  size_t position = 0;  // in the request
  KernelOrigin origin = KernelOrigin::Compiled;
};

KernelCache::KernelCache(const Backend& backend, DiskCacheNow disk, size_t max_kernels)
    : backend_(backend), disk_(std::move(disk)), max_kernels_(max_kernels) {}

std::vector<FoundKernel> KernelCache::get(const std::vector<std::string>& texts, const CodegenOptions& options) {
  const std::string prefix = key_prefix(backend_, options);
  std::vector<SlotPtr> slots;
  std::vector<Job> jobs;
  std::vector<FoundKernel> found(texts.size());

  std::unique_lock lock(mutex_);
  made_.wait(lock, [&] { return forks_ == 0; });
  for (const std::string& text : texts) {
    std::string key = prefix + text;
    const Hash128 hash = hash_bytes(key);
    SlotPtr& slot = slots_[hash];
    if (!slot) {
      slot = std::make_shared<Slot>();
      jobs.push_back({std::move(key), text, hash, slot, slots.size()});
    }
    slot->last_use = ++clock_;
    slots.push_back(slot);
  }
  ++requests_;
  lock.unlock();

  make_all(jobs, options);

  lock.lock();
  made_.wait(lock, [&] {
    return std::all_of(slots.begin(), slots.end(), [](const SlotPtr& slot) { return slot->kernel || slot->failure; });
  });
  from_memory_ += static_cast<int64_t>(texts.size() - jobs.size());
  for (size_t i = 0; i < slots.size(); ++i) found[i].kernel = slots[i]->kernel;
  for (const Job& job : jobs) found[job.position].origin = job.origin;
  const auto failed = std::find_if(slots.begin(), slots.end(), [](const SlotPtr& slot) { return slot->failure; });
  const std::exception_ptr failure = failed == slots.end() ? nullptr : (*failed)->failure;
  slots.clear();
  jobs.clear();
  if (slots_.size() > max_kernels_) drop_idle(max_kernels_ / 4 * 3);
  --requests_;
  made_.notify_all();
  lock.unlock();

  if (failure) std::rethrow_exception(failure);
  return found;
}

void KernelCache::make_all(std::vector<Job>& jobs, const CodegenOptions& options) {
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t i = next++; i < jobs.size(); i = next++) make(jobs[i], options);
  };
  std::vector<std::jthread> threads;
  try {
    for (size_t i = 1; i < std::min(jobs.size(), usable_cores()); ++i) threads.emplace_back(work);
  } catch (const std::system_error&) {
    // The system gives no more threads: those that started, and this one, do the work.
  }
  work();
}

void KernelCache::make(Job& job, const CodegenOptions& options) {
  KernelHandle kernel;
  std::exception_ptr failure;
  try {
    kernel = load_or_compile(job, options);
  } catch (...) {
    failure = std::current_exception();
  }
  std::lock_guard lock(mutex_);
  job.slot->kernel = std::move(kernel);
  job.slot->failure = failure;
  if (failure) slots_.erase(job.hash);
  if (!failure) ++(job.origin == KernelOrigin::Disk ? from_disk_ : compiled_);
  made_.notify_all();
}

KernelHandle KernelCache::load_or_compile(Job& job, const CodegenOptions& options) {
  auto kernel = std::make_shared<CompiledKernel>();
  kernel->name = "braze_" + job.hash.hex().substr(0, 16);
  const auto load = [&](const Binary& binary) {
    const Clock::time_point start = Clock::now();
    kernel->code = backend_.load(binary);
    kernel->run = kernel->code->find(kernel->name);
    check_internal(kernel->run != nullptr, "generated code lacks its function " + kernel->name);
    kernel->object_bytes = static_cast<int64_t>(binary.size());
    kernel->load_ms = milliseconds_since(start);
  };

  DiskCache* disk = disk_ ? disk_() : nullptr;
  if (const std::optional<Binary> kept = disk ? disk->load(job.key) : std::nullopt) {
    try {
      load(*kept);
      job.origin = KernelOrigin::Disk;
      return kernel;
    } catch (const Error&) {
      // Whole on disk yet not loadable: compile as if it were not there; the new code replaces it.
    }
  }
  const Clock::time_point start = Clock::now();
  const Binary binary = backend_.compile({{kernel->name, job.text}}, options);
  kernel->compile_ms = milliseconds_since(start);
  load(binary);
  if (disk) disk->store(job.key, binary);
  return kernel;
}

void KernelCache::drop_idle(size_t keep) {
  std::vector<std::pair<uint64_t, Hash128>> idle;
  for (const auto& [hash, slot] : slots_)
    if (slot.use_count() == 1 && slot->kernel.use_count() == 1) idle.emplace_back(slot->last_use, hash);
  std::sort(idle.begin(), idle.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [last_use, hash] : idle) {
    if (slots_.size() <= keep) break;
    slots_.erase(hash);
  }
}

void KernelCache::clear() {
  std::lock_guard lock(mutex_);
  drop_idle(0);
}

KernelCacheInfo KernelCache::info() const {
  std::lock_guard lock(mutex_);
  KernelCacheInfo info;
  info.compiled = compiled_;
  info.from_disk = from_disk_;
  info.from_memory = from_memory_;
  for (const auto& [hash, slot] : slots_) {
    if (!slot->kernel) continue;
    ++info.loaded;
    info.object_bytes += slot->kernel->object_bytes;
  }
  return info;
}

void KernelCache::prepare_fork() {
  std::unique_lock lock(mutex_);
  ++forks_;  // new requests wait, or the running ones might never come to an end
  made_.wait(lock, [&] { return requests_ == 0; });
  lock.release();
}

void KernelCache::finish_fork_in_parent() {
  --forks_;
  mutex_.unlock();
  made_.notify_all();
}

void KernelCache::finish_fork_in_child() {
  // Threads of the parent that were waiting on these do not exist here, so they start anew.
  new (&mutex_) std::mutex;
  new (&made_) std::condition_variable;
  forks_ = 0;
}

KernelCache& process_kernel_cache() {
  // Never destroyed: plans that other static objects hold may outlive it.
  static KernelCache* const cache = new KernelCache(cpu_backend(), process_disk_cache);
  [[maybe_unused]] static const int registered = pthread_atfork(
      [] { cache->prepare_fork(); }, [] { cache->finish_fork_in_parent(); }, [] { cache->finish_fork_in_child(); });
  return *cache;
}

}  // namespace braze
