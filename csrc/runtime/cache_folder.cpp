// Finding, making and distrusting the folder of the disk cache.
#include "runtime/cache_folder.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <vector>

namespace braze {
namespace {

std::string home_of_user_database() {
  std::vector<char> buffer(16384);
  passwd entry{};
  passwd* found = nullptr;
  if (getpwuid_r(geteuid(), &entry, buffer.data(), buffer.size(), &found) != 0 || !found || !found->pw_dir) return "";
  return found->pw_dir;
}

void make_folders(const std::string& path) {
  for (size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1))
    mkdir(path.substr(0, slash).c_str(), 0700);
  mkdir(path.c_str(), 0700);
}

const char* open_problem(int error) {
  switch (error) {
    case ENOTDIR:
    case ELOOP: return "the path is not a folder, or is a symbolic link";
    case EACCES: return "the folder may not be opened";
    default: return "the folder cannot be made or opened";
  }
}

}  // namespace

OpenFile& OpenFile::operator=(OpenFile&& other) noexcept {
  if (this != &other) {
    close();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

bool OpenFile::close() { return fd_ < 0 || ::close(std::exchange(fd_, -1)) == 0; }

std::string absolute_folder(const std::string& path) {
  std::error_code failed;
  std::string text = std::filesystem::absolute(path, failed).lexically_normal().string();
  if (failed) return "";
  while (text.size() > 1 && text.back() == '/') text.pop_back();  // or the system would follow a link in the last place
  return text;
}

std::string default_cache_folder() {
  const char* caches = secure_getenv("XDG_CACHE_HOME");
  if (caches && caches[0] == '/') return absolute_folder(std::string(caches) + "/braze");
  const char* variable = secure_getenv("HOME");
  const std::string home = variable && *variable ? variable : home_of_user_database();
  return home.empty() || home[0] != '/' ? "" : absolute_folder(home + "/.cache/braze");
}

CacheFolder open_cache_folder(const std::string& path, bool create) {
  if (path.empty()) return {OpenFile(), "there is no home folder, and no cache_dir is set"};
  const std::string place = absolute_folder(path);
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  OpenFile file(open(place.c_str(), kFlags));
  if (!file && create && errno == ENOENT) {
    make_folders(place);
    file = OpenFile(open(place.c_str(), kFlags));
  }
  if (!file && !create && errno == ENOENT) return {};
  if (!file) return {OpenFile(), open_problem(errno)};
  struct stat status{};
  if (fstat(file.fd(), &status) != 0) return {OpenFile(), "the folder cannot be looked at"};
  if (status.st_uid != geteuid()) return {OpenFile(), "the folder belongs to another user"};
  if (status.st_mode & (S_IWGRP | S_IWOTH)) return {OpenFile(), "others may write to the folder"};
  return {std::move(file), nullptr};
}

}  // namespace braze
