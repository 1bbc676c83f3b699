#include "runtime/kernel_cache.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <thread>

#include "support/error.h"
#include "temporary_folder.h"

using namespace braze;

namespace {

int64_t kernel_seven(void* const*, int64_t, int64_t) { return 7; }

/// Code that counts how many of its like are loaded.
class CountedCode : public LoadedCode {
 public:
  CountedCode(std::string name, std::atomic<int>& loaded) : name_(std::move(name)), loaded_(loaded) { ++loaded_; }
  ~CountedCode() override { --loaded_; }
  KernelFn find(const std::string& name) const override { return name == name_ ? kernel_seven : nullptr; }

 private:
  std::string name_;
  std::atomic<int>& loaded_;
};

/// "Compiles" a kernel to its name and text; texts that begin with "bad" fail.
class CountingBackend : public Backend {
 public:
  std::string_view name() const override { return "counting"; }
  std::string target(const CodegenOptions& options) const override { return machine + options.isa; }
  Binary compile(const std::vector<NamedKernel>& kernels, const CodegenOptions&, std::string*) const override {
    ++compiles;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    check_internal(!kernels[0].text.starts_with("bad"), "bad kernel");
    return kernels[0].name + " " + kernels[0].text;
  }
  std::shared_ptr<LoadedCode> load(const Binary& binary) const override {
    ++loads;
    check_internal(binary.starts_with("braze_"), "damaged object");
    return std::make_shared<CountedCode>(binary.substr(0, binary.find(' ')), loaded);
  }

  std::string machine = "machine A";
  mutable std::atomic<int> compiles{0}, loads{0}, loaded{0};
};

struct Fixture {
  TemporaryFolder temporary;
  DiskCache disk{{.folder = temporary / "cache"}};
  CountingBackend backend;
  KernelCache cache{backend, [this] { return &disk; }};
};

std::vector<std::string> numbered(int count) {
  std::vector<std::string> texts;
  for (int i = 0; i < count; ++i) texts.push_back("kernel " + std::to_string(i));
  return texts;
}

}  // namespace

TEST_CASE_METHOD(Fixture, "kernel cache: compiled once, then from memory, then from disk") {
  auto found = cache.get({"k1", "k2", "k1"}, {});
  REQUIRE(found.size() == 3);
  CHECK(found[0].origin == KernelOrigin::Compiled);
  CHECK(found[1].origin == KernelOrigin::Compiled);
  CHECK(found[2].origin == KernelOrigin::Memory);
  CHECK(found[0].kernel == found[2].kernel);
  CHECK(found[0].kernel->name != found[1].kernel->name);
  CHECK(found[0].kernel->run(nullptr, 0, 0) == 7);
  CHECK(found[0].kernel->compile_ms >= 5);
  CHECK(backend.compiles == 2);
  CHECK(cache.get({"k2"}, {})[0].origin == KernelOrigin::Memory);

  KernelCache second(backend, [this] { return &disk; });
  found = second.get({"k1", "k3"}, {});
  CHECK(found[0].origin == KernelOrigin::Disk);
  CHECK(found[0].kernel->compile_ms == 0);
  CHECK(found[1].origin == KernelOrigin::Compiled);
  CHECK(backend.compiles == 3);
  const KernelCacheInfo info = second.info();
  CHECK(info.loaded == 2);
  CHECK(info.compiled == 1);
  CHECK(info.from_disk == 1);
  CHECK(info.from_memory == 0);
  CHECK(info.object_bytes > 0);
}

TEST_CASE_METHOD(Fixture, "kernel cache: what changes the code is part of the key") {
  cache.get({"k"}, {});
  cache.get({"k"}, {.isa = "avx2"});
  cache.get({"k"}, {.isa = "", .fast_math = true});
  CHECK(backend.compiles == 3);
  backend.machine = "machine B";
  cache.get({"k"}, {});
  CHECK(backend.compiles == 4);
}

TEST_CASE_METHOD(Fixture, "kernel cache: works without a disk") {
  KernelCache memory_only(backend, nullptr);
  memory_only.get(numbered(3), {});
  CHECK(memory_only.get(numbered(3), {})[2].origin == KernelOrigin::Memory);
  CHECK(memory_only.get({}, {}).empty());
  CHECK(backend.compiles == 3);
}

TEST_CASE_METHOD(Fixture, "kernel cache: 16 threads that miss the same kernels compile each once") {
  std::latch start(16);
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int t = 0; t < 16; ++t)
    threads.emplace_back([&] {
      start.arrive_and_wait();
      for (const FoundKernel& found : cache.get(numbered(20), {})) right += found.kernel->run(nullptr, 0, 0) == 7;
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(right == 16 * 20);
  CHECK(backend.compiles == 20);
  CHECK(backend.loaded == 20);
}

TEST_CASE_METHOD(Fixture, "kernel cache: a failure reaches everyone who asked, and the next request tries again") {
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      try {
        cache.get({"good", "bad"}, {});
      } catch (const Error& error) {
        failures += std::string(error.what()) == "bad kernel";
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(failures == 4);
  CHECK(cache.get({"good"}, {})[0].origin == KernelOrigin::Memory);
  const int before = backend.compiles;
  CHECK_THROWS_AS(cache.get({"bad"}, {}), Error);
  CHECK(backend.compiles == before + 1);
}

TEST_CASE_METHOD(Fixture, "kernel cache: an object on disk that does not load is compiled again") {
  cache.get({"k"}, {});
  const std::string key = "kernel for counting\nmachine A\nnumerics eager\nk";
  REQUIRE(disk.load(key));
  disk.store(key, "nonsense");
  KernelCache second(backend, [this] { return &disk; });
  CHECK(second.get({"k"}, {})[0].origin == KernelOrigin::Compiled);
  KernelCache third(backend, [this] { return &disk; });
  CHECK(third.get({"k"}, {})[0].origin == KernelOrigin::Disk);
}

TEST_CASE_METHOD(Fixture, "kernel cache: code is unloaded when nobody holds it any more") {
  auto held = cache.get({"held"}, {});
  cache.get({"dropped"}, {});
  CHECK(backend.loaded == 2);
  cache.clear();
  CHECK(backend.loaded == 1);
  CHECK(cache.get({"held"}, {})[0].origin == KernelOrigin::Memory);
  CHECK(cache.get({"dropped"}, {})[0].origin == KernelOrigin::Disk);

  KernelCache bounded(backend, nullptr, 8);
  held = bounded.get({"kernel 0"}, {});
  for (const std::string& text : numbered(12)) bounded.get({text}, {});
  CHECK(bounded.info().loaded <= 8);
  CHECK(bounded.get({"kernel 0"}, {})[0].origin == KernelOrigin::Memory);
  CHECK(bounded.get({"kernel 11"}, {})[0].origin == KernelOrigin::Memory);
  CHECK(bounded.get({"kernel 1"}, {})[0].origin == KernelOrigin::Compiled);
}

TEST_CASE_METHOD(Fixture, "kernel cache: a fork in the middle of compilations leaves a child that compiles") {
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; !stop; ++i) cache.get({std::to_string(t) + " " + std::to_string(i)}, {});
    });
  for (int round = 0; round < 10; ++round) {
    cache.prepare_fork();
    const pid_t child = fork();
    if (child == 0) {
      cache.finish_fork_in_child();
      alarm(20);
      _exit(cache.get({"in the child", "0 0"}, {}).size() == 2 ? 0 : 1);
    }
    cache.finish_fork_in_parent();
    int status = -1;
    waitpid(child, &status, 0);
    CHECK(status == 0);
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
}
