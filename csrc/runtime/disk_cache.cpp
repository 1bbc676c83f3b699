// All file work goes through the opened folder, so that nobody can exchange it in between.
#include "runtime/disk_cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/cache_entry.h"
#include "runtime/cache_folder.h"
#include "support/hash.h"
#include "support/log.h"
#include "support/options.h"

namespace braze {
namespace {

constexpr const char* kTemporary = "tmp.";
constexpr time_t kOldTemporary = 3600;   // seconds; longer than any write, for writers of other machines or containers
constexpr time_t kTouchInterval = 3600;  // seconds; how exact the order of eviction is, against writes on hits
constexpr int64_t kMaxFileBytes = int64_t{1} << 28;

struct Entry {
  std::string name;
  int64_t bytes = 0;
  timespec used{};
};

bool is_entry_name(std::string_view name) {
  return name.size() == 32 && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// Whether the temporary file's writer ("tmp.<process>.<number>") can no longer finish it.
bool is_abandoned(std::string_view name, const struct stat& status) {
  pid_t writer = 0;
  const std::string_view number = name.substr(std::string_view(kTemporary).size());
  std::from_chars(number.data(), number.data() + number.size(), writer);
  const bool alive = writer > 0 && (kill(writer, 0) == 0 || errno == EPERM);
  return !alive || time(nullptr) - status.st_mtime > kOldTemporary;
}

/// The entries of the folder. Removes abandoned temporary files on the way.
std::vector<Entry> list_entries(int folder) {
  std::vector<Entry> entries;
  OpenFile file(openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::unique_ptr<DIR, int (*)(DIR*)> listing(file ? fdopendir(file.fd()) : nullptr, closedir);
  if (!listing) return entries;
  file.release();
  while (const dirent* found = readdir(listing.get())) {
    const std::string_view name = found->d_name;
    const bool temporary = name.starts_with(kTemporary);
    struct stat status{};
    if ((!temporary && !is_entry_name(name)) || fstatat(folder, found->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0)
      continue;
    if (temporary) {
      if (is_abandoned(name, status)) unlinkat(folder, found->d_name, 0);
    } else if (S_ISREG(status.st_mode) || S_ISLNK(status.st_mode)) {
      entries.push_back({found->d_name, status.st_size, status.st_mtim});
    }
  }
  return entries;
}

int64_t total_bytes(const std::vector<Entry>& entries) {
  int64_t total = 0;
  for (const Entry& entry : entries) total += entry.bytes;
  return total;
}

enum class Reading { Absent, Refused, Done };

/// Reads a file of the folder if it is a plain one that only this user can have written. By pread, as a mapped file
/// that another process cuts short kills its reader.
Reading read_file(int folder, const std::string& name, std::string& bytes) {
  OpenFile file(openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file) return errno == ELOOP || errno == EACCES || errno == ENXIO ? Reading::Refused : Reading::Absent;
  struct stat status{};
  if (fstat(file.fd(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != geteuid() ||
      (status.st_mode & (S_IWGRP | S_IWOTH)) || status.st_size > kMaxFileBytes)
    return Reading::Refused;
  bytes.resize(static_cast<size_t>(status.st_size));
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = pread(file.fd(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return Reading::Refused;
    done += static_cast<size_t>(got);
  }
  if (time(nullptr) - status.st_mtime > kTouchInterval) futimens(file.fd(), nullptr);
  return Reading::Done;
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = write(fd, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(wrote));
  }
  return true;
}

/// Puts a file into the folder in one step, or leaves nothing behind.
bool write_file(int folder, const std::string& temporary, const std::string& name, std::string_view bytes) {
  OpenFile file(openat(folder, temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return false;
  const bool written = write_all(file.fd(), bytes);
  if (file.close() && written && renameat(folder, temporary.c_str(), folder, name.c_str()) == 0) return true;
  unlinkat(folder, temporary.c_str(), 0);
  return false;
}

}  // namespace

DiskCache::DiskCache(Settings settings) : settings_(std::move(settings)) {}

std::optional<std::string> DiskCache::load(std::string_view key) {
  const CacheFolder folder = open_cache_folder(settings_.folder, false);
  std::string bytes;
  const std::string name = hash_hex(key);
  const Reading reading = folder.file ? read_file(folder.file.fd(), name, bytes) : Reading::Absent;
  if (reading == Reading::Done) {
    if (std::optional<std::string> payload = decode_entry(bytes, key)) {
      ++hits_;
      return payload;
    }
  }
  ++misses_;
  if (reading != Reading::Absent) {
    ++rejected_;
    unlinkat(folder.file.fd(), name.c_str(), 0);
  }
  return std::nullopt;
}

void DiskCache::store(std::string_view key, std::string_view payload) {
  const std::string bytes = encode_entry(key, payload);
  const auto size = static_cast<int64_t>(bytes.size());
  if (size > std::min(kMaxFileBytes, settings_.max_bytes)) return;
  const CacheFolder folder = open_cache_folder(settings_.folder, true);
  if (!folder.file) return note_problem(folder.problem);
  const std::string temporary = kTemporary + std::to_string(getpid()) + "." + std::to_string(writes_++);
  if (!write_file(folder.file.fd(), temporary, hash_hex(key), bytes))
    return note_problem("a file could not be written (no space, or a read-only disk)");
  problem_ = nullptr;
  ++stored_;
  if (room_.fetch_sub(size) < size) room_ = make_room(folder.file.fd());
}

void DiskCache::note_problem(const char* problem) {
  if (problem_.exchange(problem) != problem)
    log_line(LogChannel::compiles, "nothing is kept in " + settings_.folder + ": " + problem);
}

int64_t DiskCache::make_room(int folder) {
  std::vector<Entry> entries = list_entries(folder);
  int64_t total = total_bytes(entries);
  if (total > settings_.max_bytes) {
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
      return std::pair(a.used.tv_sec, a.used.tv_nsec) < std::pair(b.used.tv_sec, b.used.tv_nsec);
    });
    for (const Entry& entry : entries) {
      if (total <= settings_.max_bytes / 5 * 4) break;
      const bool removed = unlinkat(folder, entry.name.c_str(), 0) == 0;
      if (removed) ++evicted_;
      if (removed || errno == ENOENT) total -= entry.bytes;
    }
  }
  return std::min(settings_.max_bytes - total, settings_.max_bytes / 16);
}

void DiskCache::clear() {
  const CacheFolder folder = open_cache_folder(settings_.folder, false);
  if (!folder.file) return;
  for (const Entry& entry : list_entries(folder.file.fd())) unlinkat(folder.file.fd(), entry.name.c_str(), 0);
}

DiskCacheInfo DiskCache::info() const {
  DiskCacheInfo info;
  info.path = settings_.folder;
  info.hits = hits_;
  info.misses = misses_;
  info.rejected = rejected_;
  info.stored = stored_;
  info.evicted = evicted_;
  const CacheFolder folder = open_cache_folder(settings_.folder, false);
  const char* problem = problem_;
  if (folder.file) {
    const std::vector<Entry> entries = list_entries(folder.file.fd());
    info.entries = static_cast<int64_t>(entries.size());
    info.bytes = total_bytes(entries);
  } else if (folder.problem) {
    problem = folder.problem;
  }
  if (problem) info.problem = problem;
  return info;
}

namespace {

/// A cache and the options it was made for.
struct ProcessCache {
  std::string chosen_folder;
  int64_t mebibytes;
  DiskCache cache;
};

/// Replaced when the options change. Old ones are never destroyed: another thread may be in the middle of one.
std::atomic<ProcessCache*> process_cache{nullptr};

}  // namespace

DiskCache* process_disk_cache() {
  const Options options = process_options();
  if (!options.cache) return nullptr;
  ProcessCache* current = process_cache.load();
  while (!current || current->chosen_folder != options.cache_dir || current->mebibytes != options.cache_size) {
    const std::string folder = options.cache_dir.empty() ? default_cache_folder() : absolute_folder(options.cache_dir);
    const int64_t bytes = std::clamp<int64_t>(options.cache_size, 0, int64_t{1} << 30) << 20;
    auto* made = new ProcessCache{options.cache_dir, options.cache_size, DiskCache({folder, bytes})};
    if (process_cache.compare_exchange_strong(current, made)) return &made->cache;
    delete made;
  }
  return &current->cache;
}

}  // namespace braze
