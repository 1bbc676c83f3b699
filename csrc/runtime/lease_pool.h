// Things that one running call needs for itself (arena, pointer tables), reused from call to call. Calls that overlap
// in time, by threads or by a call within a call, get things of their own; the usual single user takes and returns its
// thing without a lock.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace braze {

/// When a lease ends, the thing's end_call() is called if it has one.
template <typename T>
class LeasePool {
 public:
  /// A thing held by one call; goes back to the pool with the lease.
  class Lease {
   public:
    Lease(LeasePool& pool, std::unique_ptr<T> thing) : pool_(&pool), thing_(std::move(thing)) {}
    Lease(Lease&& other) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (thing_) pool_->give_back(std::move(thing_));
    }
    T& operator*() const { return *thing_; }
    T* operator->() const { return thing_.get(); }

   private:
    LeasePool* pool_;
    std::unique_ptr<T> thing_;
  };

  /// `make` may be called by several threads at once. At most `most_idle` things wait for calls that overlap.
  explicit LeasePool(std::function<std::unique_ptr<T>()> make, size_t most_idle = 16)
      : make_(std::move(make)), most_idle_(most_idle) {
    idle_.reserve(most_idle);
  }
  ~LeasePool() { delete ready_.load(); }
  LeasePool(const LeasePool&) = delete;
  LeasePool& operator=(const LeasePool&) = delete;

  Lease take() {
    std::unique_ptr<T> ready(ready_.exchange(nullptr, std::memory_order_acquire));
    return {*this, ready ? std::move(ready) : take_slowly()};
  }

 private:
  std::unique_ptr<T> take_slowly() {
    {
      std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        std::unique_ptr<T> thing = std::move(idle_.back());
        idle_.pop_back();
        return thing;
      }
    }
    return make_();
  }

  void give_back(std::unique_ptr<T> thing) {
    if constexpr (requires { thing->end_call(); }) thing->end_call();
    T* none = nullptr;
    if (ready_.compare_exchange_strong(none, thing.get(), std::memory_order_release, std::memory_order_relaxed)) {
      static_cast<void>(thing.release());
      return;
    }
    std::lock_guard lock(mutex_);
    if (idle_.size() < most_idle_) idle_.push_back(std::move(thing));
  }

  const std::function<std::unique_ptr<T>()> make_;
  const size_t most_idle_;
  std::atomic<T*> ready_{nullptr};
  std::mutex mutex_;
  std::vector<std::unique_ptr<T>> idle_;
};

}  // namespace braze
