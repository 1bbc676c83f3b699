// Loading: damaged objects, missing externals, unloading, many modules, several kernels in one.
#include "backends/cpu/llvm_api.h"

#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <vector>

#include "compiled_kernel.h"

namespace braze {
namespace {

constexpr const char* kDouble =
    "kernel parallel=[40] reduce=[] vector=0\n  params: p0 f32, p1 f32 out\n  %0: f32 = load p0 [1]+0\n"
    "  %1: f32 = add %0, %0\n  store p1 [1]+0 %1\n";
constexpr const char* kSquare =
    "kernel parallel=[40] reduce=[] vector=0\n  params: p0 f32, p1 f32 out\n  %0: f32 = load p0 [1]+0\n"
    "  %1: f32 = mul %0, %0\n  store p1 [1]+0 %1\n";

std::string compiled(std::vector<const char*> texts, std::vector<const char*> names) {
  braze_llvm_bytes object{};
  char* error = nullptr;
  REQUIRE(braze_llvm_compile(texts.data(), names.data(), texts.size(), "", 0, &object, nullptr, &error) == 0);
  std::string bytes(object.data, object.size);
  braze_llvm_free_bytes(object.data);
  return bytes;
}

std::string load_error(const std::string& object) {
  char* error = nullptr;
  braze_llvm_module* module = braze_llvm_load(object.data(), object.size(), &error);
  if (module) {
    braze_llvm_unload(module);
    return "";
  }
  std::string message = error ? error : "";
  braze_llvm_free_bytes(error);
  return message;
}

}  // namespace

TEST_CASE("several kernels in one module") {
  const std::string object = compiled({kDouble, kSquare}, {"doubled", "squared"});
  char* error = nullptr;
  braze_llvm_module* module = braze_llvm_load(object.data(), object.size(), &error);
  REQUIRE(module);
  std::vector<float> in(40, 3), out(40);
  void* params[] = {in.data(), out.data()};
  REQUIRE(braze_llvm_find(module, "doubled")(params, 0, 40) == 0);
  CHECK(out == std::vector<float>(40, 6));
  REQUIRE(braze_llvm_find(module, "squared")(params, 0, 40) == 0);
  CHECK(out == std::vector<float>(40, 9));
  CHECK(braze_llvm_find(module, "cubed") == nullptr);
  braze_llvm_unload(module);
}

TEST_CASE("a damaged object is an error") {
  const std::string good = compiled({kDouble}, {"kernel"});
  CHECK(load_error(good).empty());
  for (size_t size = 0; size < good.size(); size += 1 + size / 8) CHECK_FALSE(load_error(good.substr(0, size)).empty());
  for (size_t at = 0; at < good.size(); at += 7) {
    std::string bad = good;
    bad[at] ^= 0x20;
    CHECK_FALSE(load_error(bad).empty());
  }
  CHECK_FALSE(load_error(good + "x").empty());
}

TEST_CASE("damaged kernel text is an error") {
  const char *text = "kernel parallel=[", *name = "kernel";
  braze_llvm_bytes object{};
  char* error = nullptr;
  CHECK(braze_llvm_compile(&text, &name, 1, "", 0, &object, nullptr, &error) != 0);
  CHECK(std::string(error).find("line 1") != std::string::npos);
  braze_llvm_free_bytes(error);
}

TEST_CASE("an unknown instruction set is an error") {
  CHECK(braze_llvm_target("mmx") == nullptr);
  CHECK(std::string(braze_llvm_target("baseline")).find("llvm 19") != std::string::npos);
}

TEST_CASE("modules come and go, from several threads") {
  const std::string object = compiled({kDouble}, {"kernel"});
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int turn = 0; turn < 25; ++turn) {
        char* error = nullptr;
        braze_llvm_module* module = braze_llvm_load(object.data(), object.size(), &error);
        std::vector<float> in(40, 1.5f), out(40);
        void* params[] = {in.data(), out.data()};
        braze_llvm_find(module, "kernel")(params, 0, 40);
        wrong[t] += out != std::vector<float>(40, 3);
        braze_llvm_unload(module);
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(4, 0));
}

}  // namespace braze
