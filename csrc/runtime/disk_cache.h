// Compiled code kept between processes: a folder of content-addressed files, each named by the hash of its key.
//
// The folder may be shared by any number of processes and threads, which may be killed at any time. There are no locks
// between them: a file appears whole (written under a temporary name, then renamed) or not at all, and everything read
// is checked. What cannot be trusted is a miss; what cannot be written is not kept; nothing here throws for the state
// of the disk.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace braze {

struct DiskCacheInfo {
  std::string path;
  std::string problem;  // why nothing is kept, or empty
  int64_t entries = 0, bytes = 0;
  int64_t hits = 0, misses = 0, rejected = 0, stored = 0, evicted = 0;  // of this process
};

class DiskCache {
 public:
  struct Settings {
    std::string folder;  // empty: nothing is kept
    int64_t max_bytes = int64_t{1} << 30;
  };

  explicit DiskCache(Settings settings);

  /// What was stored under the key, or nothing. A file that is no entry of this key is removed.
  std::optional<std::string> load(std::string_view key);
  /// Keeps the payload if that is possible.
  void store(std::string_view key, std::string_view payload);
  /// Removes every entry; files that are not ours stay.
  void clear();
  DiskCacheInfo info() const;

 private:
  /// Removes what dead writers left and, over the limit, the entries not used for longest. Returns how many bytes may
  /// be stored before looking again.
  int64_t make_room(int folder);
  void note_problem(const char* problem);

  const Settings settings_;
  std::atomic<const char*> problem_{nullptr};
  std::atomic<int64_t> room_{0};
  std::atomic<int64_t> hits_{0}, misses_{0}, rejected_{0}, stored_{0}, evicted_{0};
  std::atomic<uint64_t> writes_{0};
};

/// The cache the process options ask for (cache, cache_dir, cache_size), or null when it is switched off. Each stays
/// valid for ever.
DiskCache* process_disk_cache();

}  // namespace braze
