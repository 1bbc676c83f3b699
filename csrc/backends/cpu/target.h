// The machine code is made for: what it can do, and LLVM's TargetMachine for it.
#pragma once

#include <memory>
#include <string>

#include "llvm/Target/TargetMachine.h"

namespace braze::cpu {

struct Isa {
  std::string cpu, features;
  std::string description;  // all that the generated code depends on, in one line
  bool x86 = false;
  bool fma = false;
  bool half_conversions = false;  // f16 <-> f32 in hardware
  bool avx = false;
  bool avx2 = false;
  bool avx512 = false;  // F, BW, DQ and VL
  int vector_bits = 128;
};

/// The host capped to `name`: "" (all it has), "avx512", "avx2" or "baseline". Raises a User error for another name, or
/// one that the host cannot run. The reference stays valid.
const Isa& isa_named(const std::string& name);

/// A machine of this thread's for `isa`; made once a thread, because making one costs as much as compiling a small
/// kernel.
llvm::TargetMachine& machine_for(const Isa& isa);
/// Lets go of this thread's machines, after an error that left LLVM in the middle of something.
void forget_machines();

}  // namespace braze::cpu
