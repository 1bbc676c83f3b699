// Parametric plans through compiled kernels: one compilation for all sizes, the bits of the static kernels.
#include <catch2/catch.hpp>
#include <map>
#include <memory>

#include "compiled_kernel.h"
#include "schedule/parametric_check.h"

using namespace braze;

TEST_CASE("compiled instances do what compiled static plans do") {
  std::map<std::string, std::unique_ptr<CompiledKernel>> compiled;
  const KernelFunction run = [&](const Kernel& kernel, void* const* params, int64_t from, int64_t to) {
    std::unique_ptr<CompiledKernel>& code = compiled[print(kernel)];
    if (!code) code = std::make_unique<CompiledKernel>(kernel);
    const int64_t middle = from + (to - from) / 3;
    return (*code)(params, from, middle) | (*code)(params, middle, to);
  };
  for (const SizedGraph& program : sized_graphs()) {
    INFO(program.name);
    check_instances(program, run);
  }
}
