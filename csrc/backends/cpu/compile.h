// Kernels -> one relocatable object.
#pragma once

#include <string>
#include <vector>

#include "schedule/kernel.h"
#include "target.h"

namespace braze::cpu {

struct CompiledObject {
  std::string object;
  std::string dump;  // LLVM IR and assembly, when asked for
};

CompiledObject compile(const std::vector<Kernel>& kernels, const std::vector<std::string>& names, const Isa& isa,
                       bool fast_math, bool keep_dump);

}  // namespace braze::cpu
