// Real code through the kernel cache: compiled, loaded from disk, damaged on disk, made by several threads and
// processes at once.
#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <latch>
#include <numeric>
#include <thread>

#include "../../runtime/temporary_folder.h"
#include "backends/cpu/llvm_api.h"
#include "backends/cpu_library.h"
#include "compiler.h"
#include "graph/parse.h"
#include "runtime/launch.h"

using namespace braze;

namespace {

std::string library_path() {
  Dl_info found{};
  REQUIRE(dladdr(reinterpret_cast<const void*>(&braze_llvm_target), &found));
  return found.dli_fname;
}

const Backend& library() {
  static const std::unique_ptr<Backend> opened = open_cpu_library(library_path(), nullptr);
  return *opened;
}

/// y = (x + `number`) * x over a vector; another number is another kernel.
Graph vector_graph(int number) {
  return parse_graph("graph\ninputs %0: f32[1000:1]\n%1: f32[1000:1] = add %0[1000:1], 0x" + std::to_string(number) +
                     "p+0:f32\n%2: f32[1000:1] = mul %1[1000:1], %0[1000:1]\noutputs %2\n");
}

CompiledPlan compile_vector(int number, KernelCache& cache) {
  Options options;
  options.dump = "";
  return compile(vector_graph(number), options, [](const ExternCall&) { return false; }, cache);
}

bool gives_right_numbers(int number, const CompiledPlan& compiled) {
  std::vector<float> x(1000), y(1000, -1);
  std::iota(x.begin(), x.end(), -500.0f);
  void* params[2];
  const auto& step = std::get<KernelStep>(compiled.plan.steps.at(0));
  for (size_t i = 0; i < 2; ++i) params[i] = step.params.at(i).kind == BufferRef::Kind::Output ? y.data() : x.data();
  if (launch(prepare_launch(compiled.plan.kernels[0], compiled.kernels[0].kernel->run), params, nullptr) != 0)
    return false;
  for (size_t i = 0; i < x.size(); ++i)
    if (y[i] != (x[i] + static_cast<float>(number)) * x[i]) return false;
  return true;
}

struct Fixture {
  TemporaryFolder temporary;
  std::string folder = temporary / "cache";
  DiskCache disk{{.folder = folder}};
  KernelCache::DiskCacheNow disk_now = [this] { return &disk; };
};

}  // namespace

TEST_CASE_METHOD(Fixture, "cached code: compiled, then from disk, with the same numbers") {
  KernelCache first(library(), disk_now), second(library(), disk_now);
  const CompiledPlan compiled = compile_vector(3, first);
  CHECK(compiled.record.kernels_compiled == 1);
  CHECK(gives_right_numbers(3, compiled));
  const CompiledPlan loaded = compile_vector(3, second);
  CHECK(loaded.record.kernels_from_disk == 1);
  CHECK(gives_right_numbers(3, loaded));
}

TEST_CASE_METHOD(Fixture, "cached code: an object that is whole on disk but damaged inside is compiled again") {
  KernelCache first(library(), disk_now);
  const CompiledPlan compiled = compile_vector(3, first);
  const std::string file = folder + "/" + names_in(folder).at(0);
  const std::string entry = read_whole(file);
  const std::string key =
      "kernel for cpu\n" + library().target({}) + "\nnumerics eager\n" + print(compiled.plan.kernels[0]);
  const std::string object = disk.load(key).value();
  for (size_t at = 0; at < object.size(); at += 37) {
    std::string damaged = object;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    disk.store(key, damaged);
    KernelCache cache(library(), disk_now);
    const CompiledPlan again = compile_vector(3, cache);
    CHECK(again.record.kernels_compiled == 1);
    CHECK(gives_right_numbers(3, again));
  }
  CHECK(read_whole(file).size() == entry.size());
}

TEST_CASE_METHOD(Fixture, "cached code: two processes of 16 threads on one empty cache") {
  library();
  const auto work = [&] {
    KernelCache cache(library(), disk_now);
    std::latch start(16);
    std::atomic<int> right{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 16; ++t)
      threads.emplace_back([&, t] {
        start.arrive_and_wait();
        for (int i = 0; i < 8; ++i) right += gives_right_numbers((t + i) % 8, compile_vector((t + i) % 8, cache));
      });
    for (std::thread& thread : threads) thread.join();
    return right == 16 * 8 && cache.info().loaded == 8;
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
  CHECK(names_in(folder).size() == 8);
  CHECK(disk.info().entries == 8);
}

TEST_CASE_METHOD(Fixture, "cached code: runs on after the cache forgot it") {
  KernelCache cache(library(), nullptr);
  const CompiledPlan compiled = compile_vector(5, cache);
  cache.clear();
  CHECK(gives_right_numbers(5, compiled));
}

TEST_CASE("cached code: a process that forks while it compiles has children that compile") {
  set_process_option("cache", false);
  set_cpu_library_folder(std::filesystem::path(library_path()).parent_path().string());
  KernelCache& cache = process_kernel_cache();
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; !stop; i = (i + 1) % 10) {
        compile_vector(i, cache);
        if (t == 0) cache.clear();
      }
    });
  for (int round = 0; round < 20; ++round) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);
      _exit(gives_right_numbers(round % 10, compile_vector(round % 10, cache)) ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    CHECK(status == 0);
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
}
