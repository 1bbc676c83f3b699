// Where the disk cache lives, and opening that folder only when nobody else can have put anything into it.
#pragma once

#include <string>
#include <utility>

namespace braze {

/// An open file or folder, closed when destroyed. Empty: fd() is -1.
class OpenFile {
 public:
  OpenFile() = default;
  explicit OpenFile(int fd) : fd_(fd) {}
  OpenFile(OpenFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OpenFile& operator=(OpenFile&& other) noexcept;
  ~OpenFile() { close(); }

  int fd() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void release() { fd_ = -1; }
  /// False when the system could not bring everything written to its place (quota, network file system).
  bool close();

 private:
  int fd_ = -1;
};

/// braze below XDG_CACHE_HOME, else below .cache in HOME or in the home the user database gives; empty when there is
/// none of them.
std::string default_cache_folder();

/// The path as it is from the root, whatever the current folder becomes; empty when that cannot be found out.
std::string absolute_folder(const std::string& path);

/// A cache folder, or the reason why it is not used; neither when it is merely not there yet.
struct CacheFolder {
  OpenFile file;
  const char* problem = nullptr;
};

/// Opens the folder itself (never through a symbolic link) if it belongs to this user and only this user can write to
/// it. With `create`, missing folders on the way are made, with access for this user alone.
CacheFolder open_cache_folder(const std::string& path, bool create);

}  // namespace braze
