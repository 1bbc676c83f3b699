// Random programs through compiled kernels: fusion, layout and code generation together against the graph interpreter.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <map>
#include <memory>

#include "compiled_kernel.h"
#include "schedule/plan_check.h"

using namespace braze;

TEST_CASE("compiled plans do what graphs say", "[fuzz]") {
  const char* first = std::getenv("BRAZE_FUZZ_SEED");
  const char* count = std::getenv("BRAZE_FUZZ_COUNT");
  const uint32_t begin = first ? std::strtoul(first, nullptr, 10) : 0;
  const uint32_t end = begin + (count ? std::strtoul(count, nullptr, 10) : 60);
  std::map<std::string, std::unique_ptr<CompiledKernel>> compiled;
  const KernelFunction run = [&](const Kernel& kernel, void* const* params, int64_t from, int64_t to) {
    std::unique_ptr<CompiledKernel>& code = compiled[print(kernel)];
    if (!code) code = std::make_unique<CompiledKernel>(kernel);
    const int64_t middle = from + (to - from) / 2;
    return (*code)(params, from, middle) | (*code)(params, middle, to);
  };
  for (uint32_t seed = begin; seed < end; ++seed) {
    INFO("seed " << seed);
    check_plan(random_program(seed, 3 + static_cast<int>(seed % 12)), seed % 2 == 0, 1e-4, run);
  }
}
