// Random programs: the plan run by the kernel interpreter must do what the graph interpreter does.
// BRAZE_FUZZ_SEED and BRAZE_FUZZ_COUNT say which programs.
#include <catch2/catch.hpp>
#include <cstdlib>

#include "backends/reference/interpret_kernel.h"
#include "schedule/plan_check.h"
#include "schedule/random_sizes.h"

using namespace braze;

TEST_CASE("plans do what graphs say", "[fuzz]") {
  const char* first = std::getenv("BRAZE_FUZZ_SEED");
  const char* count = std::getenv("BRAZE_FUZZ_COUNT");
  const uint32_t begin = first ? std::strtoul(first, nullptr, 10) : 0;
  const uint32_t end = begin + (count ? std::strtoul(count, nullptr, 10) : 1500);
  std::mt19937 random(begin);
  const KernelFunction run_with_sizes = [&](const Kernel& kernel, void* const* params, int64_t from, int64_t to) {
    SizedKernel sized = with_random_sizes(kernel, random, 0.7);
    const std::vector<void*> all = sized.with_sizes_behind({params, params + kernel.params.size()});
    return interpret_kernel(sized.kernel, all.data(), from, to);
  };
  for (uint32_t seed = begin; seed < end; ++seed) {
    INFO("seed " << seed);
    const int nodes = 3 + static_cast<int>(seed % (seed % 16 == 0 ? 101 : 23));
    check_plan(random_program(seed, nodes), seed % 2 == 0, 1e-5, seed % 4 == 0 ? run_with_sizes : KernelFunction());
  }
}
