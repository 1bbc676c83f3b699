// Random programs through compiled kernels: fusion, layout and code generation together against the graph interpreter.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <map>
#include <memory>

#include "compiled_kernel.h"
#include "schedule/plan_check.h"
#include "schedule/product_form.h"
#include "schedule/random_sizes.h"

using namespace braze;

TEST_CASE("compiled plans do what graphs say", "[fuzz]") {
  const char* first = std::getenv("BRAZE_FUZZ_SEED");
  const char* count = std::getenv("BRAZE_FUZZ_COUNT");
  const uint32_t begin = first ? std::strtoul(first, nullptr, 10) : 0;
  const uint32_t end = begin + (count ? std::strtoul(count, nullptr, 10) : 60);
  std::map<std::string, std::unique_ptr<CompiledKernel>> compiled;
  std::mt19937 random(begin);
  bool parametric = false;
  const KernelFunction run = [&](const Kernel& kernel, void* const* params, int64_t from, int64_t to) {
    SizedKernel sized = with_random_sizes(kernel, random, parametric ? 0.7 : 0);
    std::unique_ptr<CompiledKernel>& code = compiled[print(sized.kernel)];
    if (!code) code = std::make_unique<CompiledKernel>(sized.kernel);
    const std::vector<void*> all = sized.with_sizes_behind({params, params + kernel.params.size()});
    const auto form = product_form(sized.kernel);
    const int64_t unit = form ? form->unit() : 1;
    const int64_t middle = from + (to - from) / 2 / unit * unit;
    return (*code)(all.data(), from, middle) | (*code)(all.data(), middle, to);
  };
  for (uint32_t seed = begin; seed < end; ++seed) {
    INFO("seed " << seed);
    parametric = seed % 3 != 0;
    check_plan(random_program(seed, 3 + static_cast<int>(seed % 12)), seed % 2 == 0, 1e-4, run);
  }
}
