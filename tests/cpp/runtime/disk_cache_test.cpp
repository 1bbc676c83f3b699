#include "runtime/disk_cache.h"

#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "runtime/cache_folder.h"
#include "support/hash.h"
#include "temporary_folder.h"

using namespace braze;

namespace {

/// Runs `body` in a forked child; true when it returned true.
template <typename Body>
bool in_child(Body body) {
  const pid_t child = fork();
  if (child == 0) _exit(body() ? 0 : 1);
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void set_age(const std::string& path, time_t seconds) {
  const timespec then{time(nullptr) - seconds, 0};
  const timespec times[2] = {then, then};
  REQUIRE(utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0);
}

struct Fixture {
  TemporaryFolder temporary;
  std::string folder = temporary / "cache";
  DiskCache cache{{.folder = folder}};
  const std::string key = "a key\nof two lines";
  const std::string payload{"some\0payload", 12};
  const std::string file = folder + "/" + hash_hex(key);
};

}  // namespace

TEST_CASE_METHOD(Fixture, "disk cache: what was stored is loaded, by every cache of the folder") {
  CHECK_FALSE(cache.load(key));
  cache.store(key, payload);
  CHECK(cache.load(key) == payload);
  CHECK(DiskCache({.folder = folder}).load(key) == payload);
  CHECK_FALSE(cache.load(key + " "));
  cache.store("empty", "");
  CHECK(cache.load("empty") == "");
  const DiskCacheInfo info = cache.info();
  CHECK(info.entries == 2);
  CHECK(info.hits == 2);
  CHECK(info.misses == 2);
  CHECK(info.rejected == 0);
  CHECK(info.stored == 2);
  CHECK(info.problem.empty());
  CHECK(info.bytes == static_cast<int64_t>(2 * 40 + key.size() + payload.size() + 5));
}

TEST_CASE_METHOD(Fixture, "disk cache: folder and files are for this user alone") {
  cache.store(key, payload);
  struct stat status{};
  REQUIRE(stat(folder.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0700);
  REQUIRE(stat(file.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE_METHOD(Fixture, "disk cache: a file cut short anywhere is a miss and goes away") {
  cache.store(key, payload);
  const std::string whole = read_whole(file);
  for (size_t length = 0; length < whole.size(); ++length) {
    write_whole(file, whole.substr(0, length));
    CHECK_FALSE(cache.load(key));
    CHECK_FALSE(std::filesystem::exists(file));
  }
  write_whole(file, whole + "x");
  CHECK_FALSE(cache.load(key));
  CHECK(cache.info().rejected == static_cast<int64_t>(whole.size()) + 1);
}

TEST_CASE_METHOD(Fixture, "disk cache: a file with any bit flipped is a miss") {
  cache.store(key, payload);
  const std::string whole = read_whole(file);
  for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    write_whole(file, damaged);
    CHECK_FALSE(cache.load(key));
  }
  cache.store(key, payload);
  CHECK(cache.load(key) == payload);
}

TEST_CASE_METHOD(Fixture, "disk cache: the entry of another key is a miss") {
  cache.store("another key", "another payload");
  std::filesystem::rename(folder + "/" + hash_hex("another key"), file);
  CHECK_FALSE(cache.load(key));
  CHECK(cache.info().rejected == 1);
}

TEST_CASE_METHOD(Fixture, "disk cache: links, folders, pipes and files others may write are refused") {
  cache.store(key, payload);
  const std::string elsewhere = temporary / "elsewhere";
  SECTION("symbolic link to a right entry") {
    std::filesystem::rename(file, elsewhere);
    std::filesystem::create_symlink(elsewhere, file);
    CHECK_FALSE(cache.load(key));
    cache.store(key, payload);
    CHECK_FALSE(std::filesystem::is_symlink(file));
    CHECK(cache.load(key) == payload);
  }
  SECTION("folder in the place of a file") {
    std::filesystem::remove(file);
    std::filesystem::create_directory(file);
    CHECK_FALSE(cache.load(key));
    cache.store(key, payload);
    CHECK(names_in(folder).size() == 1);
    CHECK_FALSE(cache.load(key));
  }
  SECTION("pipe without a writer") {
    std::filesystem::remove(file);
    REQUIRE(mkfifo(file.c_str(), 0600) == 0);
    CHECK_FALSE(cache.load(key));
  }
  SECTION("file others may write") {
    REQUIRE(chmod(file.c_str(), 0622) == 0);
    CHECK_FALSE(cache.load(key));
  }
  SECTION("file of another user") {
    if (geteuid() != 0 || chown(file.c_str(), 12345, 12345) != 0) return;
    CHECK_FALSE(cache.load(key));
  }
  SECTION("temporary name taken by a link") {
    for (int i = 0; i < 10; ++i)
      std::filesystem::create_symlink(elsewhere, folder + "/tmp." + std::to_string(getpid()) + "." + std::to_string(i));
    cache.store("more", payload);
    CHECK_FALSE(std::filesystem::exists(elsewhere));
  }
}

TEST_CASE_METHOD(Fixture, "disk cache: a folder that cannot be trusted is not used") {
  SECTION("symbolic link") {
    std::filesystem::create_directory(temporary / "real");
    std::filesystem::create_symlink(temporary / "real", folder);
    CHECK_FALSE(open_cache_folder(folder + "/", true).file);
    cache.store(key, payload);
    CHECK(names_in(temporary / "real").empty());
  }
  SECTION("others may write") {
    std::filesystem::create_directory(folder);
    REQUIRE(chmod(folder.c_str(), 0777) == 0);
    cache.store(key, payload);
    CHECK(names_in(folder).empty());
  }
  SECTION("another user's") {
    std::filesystem::create_directory(folder);
    if (geteuid() != 0 || chown(folder.c_str(), 12345, 12345) != 0) return;
    cache.store(key, payload);
    CHECK(names_in(folder).empty());
  }
  SECTION("a file") {
    write_whole(folder, "not a folder");
    cache.store(key, payload);
    CHECK(read_whole(folder) == "not a folder");
  }
  CHECK_FALSE(cache.load(key));
  CHECK_FALSE(cache.info().problem.empty());
  cache.clear();
}

TEST_CASE("disk cache: places where nothing can be made") {
  for (const std::string folder : {"", "/proc/braze", "/proc/self/mem/braze", "/dev/null/braze"}) {
    DiskCache cache({.folder = folder});
    cache.store("key", "payload");
    CHECK_FALSE(cache.load("key"));
    CHECK_FALSE(cache.info().problem.empty());
    cache.clear();
  }
}

TEST_CASE_METHOD(Fixture, "disk cache: a write that fails half way leaves nothing behind") {
  CHECK(in_child([&] {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4096, 4096};
    setrlimit(RLIMIT_FSIZE, &limit);
    cache.store(key, std::string(10000, 'x'));
    return !cache.info().problem.empty() && !cache.load(key);
  }));
  CHECK(names_in(folder).empty());
  CHECK(in_child([&] {
    cache.store(key, payload);
    const rlimit none{4, 4};
    setrlimit(RLIMIT_NOFILE, &none);  // no file can be opened: a miss, and the entry stays
    return !cache.load(key);
  }));
  CHECK(cache.load(key) == payload);
}

TEST_CASE_METHOD(Fixture, "disk cache: what a killed writer left is removed, what a living one writes is not") {
  cache.store(key, payload);
  const pid_t dead = fork();
  if (dead == 0) _exit(0);
  waitpid(dead, nullptr, 0);
  const std::string abandoned = folder + "/tmp." + std::to_string(dead) + ".0";
  const std::string alive = folder + "/tmp." + std::to_string(getppid()) + ".0";
  const std::string ancient = folder + "/tmp." + std::to_string(getppid()) + ".1";
  const std::string nonsense = folder + "/tmp.-1.x";
  for (const std::string& path : {abandoned, alive, ancient, nonsense}) write_whole(path, "half an en");
  set_age(ancient, 7200);
  DiskCache({.folder = folder}).store("next", payload);
  CHECK_FALSE(std::filesystem::exists(abandoned));
  CHECK_FALSE(std::filesystem::exists(ancient));
  CHECK_FALSE(std::filesystem::exists(nonsense));
  CHECK(std::filesystem::exists(alive));
}

TEST_CASE_METHOD(Fixture, "disk cache: the least recently used entries make room") {
  const std::string kilobyte(1000, 'x');
  DiskCache small({.folder = folder, .max_bytes = 20000});
  for (int i = 0; i < 15; ++i) {
    const std::string name = std::to_string(i);
    small.store(name, kilobyte);
    set_age(folder + "/" + hash_hex(name), 100000 - i);
  }
  CHECK(small.info().entries == 15);
  CHECK(small.load("0"));  // used now, so no longer the oldest
  for (int i = 15; i < 25; ++i) small.store(std::to_string(i), kilobyte);
  const DiskCacheInfo info = small.info();
  CHECK(info.bytes <= 20000);
  CHECK(info.entries >= 12);
  CHECK(info.evicted == 25 - info.entries);
  CHECK(small.load("0"));
  CHECK_FALSE(small.load("1"));
  CHECK(small.load("24"));
  small.store("huge", std::string(30000, 'x'));
  CHECK_FALSE(small.load("huge"));
}

TEST_CASE_METHOD(Fixture, "disk cache: clear removes our entries and nothing else") {
  cache.store(key, payload);
  write_whole(folder + "/notes.txt", "mine");
  cache.clear();
  CHECK(names_in(folder) == std::vector<std::string>{"notes.txt"});
  CHECK(cache.info().entries == 0);
}

TEST_CASE_METHOD(Fixture, "disk cache: the folder may go away at any time") {
  cache.store(key, payload);
  std::filesystem::remove_all(folder);
  CHECK_FALSE(cache.load(key));
  cache.store(key, payload);
  CHECK(cache.load(key) == payload);
}

TEST_CASE_METHOD(Fixture, "disk cache: two processes of 16 threads on one empty cache, small enough to evict") {
  const auto work = [&] {
    DiskCache shared({.folder = folder, .max_bytes = 30000});
    std::atomic<bool> right{true};
    std::vector<std::thread> threads;
    for (int t = 0; t < 16; ++t)
      threads.emplace_back([&, t] {
        for (int i = 0; i < 60; ++i) {
          const std::string name = std::to_string((i * 7 + t) % 50);
          const std::string expected = name + std::string(900, 'p');
          if (const auto loaded = shared.load(name); loaded && *loaded != expected) right = false;
          shared.store(name, expected);
        }
      });
    for (std::thread& thread : threads) thread.join();
    return right && shared.info().rejected == 0;
  };
  std::vector<pid_t> children;
  for (int i = 0; i < 2; ++i) {
    const pid_t child = fork();
    if (child == 0) _exit(work() ? 0 : 1);
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    waitpid(child, &status, 0);
    CHECK(status == 0);
  }
  for (const std::string& name : names_in(folder)) CHECK(name.size() == 32);
}

TEST_CASE_METHOD(Fixture, "disk cache: writers killed at any moment leave only whole entries") {
  for (int round = 0; round < 20; ++round) {
    const pid_t child = fork();
    if (child == 0) {
      for (int i = 0;; ++i) cache.store("key " + std::to_string(i % 10), std::string(100000, 'z'));
    }
    usleep(1000 + round * 300);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }
  DiskCache survivor({.folder = folder});
  survivor.store(key, payload);
  for (int i = 0; i < 10; ++i) survivor.load("key " + std::to_string(i));
  CHECK(survivor.info().rejected == 0);
  for (const std::string& name : names_in(folder)) CHECK(name.size() == 32);
}

TEST_CASE("cache folder: where it is by default") {
  const auto place_with = [](const char* home, const char* caches, const std::string& expected) {
    return in_child([&] {
      home ? setenv("HOME", home, 1) : unsetenv("HOME");
      caches ? setenv("XDG_CACHE_HOME", caches, 1) : unsetenv("XDG_CACHE_HOME");
      return default_cache_folder().ends_with(expected);
    });
  };
  CHECK(place_with("/somewhere/home", nullptr, "/somewhere/home/.cache/braze"));
  CHECK(place_with("/somewhere/home", "/somewhere/caches/", "/somewhere/caches/braze"));
  CHECK(place_with("/somewhere/home", "relative", "/somewhere/home/.cache/braze"));
  CHECK(place_with("relative", nullptr, ""));
  CHECK(place_with(nullptr, nullptr, getpwuid(geteuid()) ? "/.cache/braze" : ""));
  CHECK(absolute_folder("/a/./b//c/../d///") == "/a/b/d");
}
