// Probes the host once, and keeps one TargetMachine a thread and instruction set.
#include "target.h"

#include <map>
#include <mutex>
#include <optional>

#include "emitter_version.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"
#include "support/error.h"

namespace braze::cpu {
namespace {

struct Host {
  llvm::Triple triple{llvm::sys::getProcessTriple()};
  std::string cpu = llvm::sys::getHostCPUName().str();
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();

  bool has(llvm::StringRef feature) const { return features.lookup(feature); }
  bool has_avx2() const { return has("avx2") && has("fma") && has("f16c") && has("bmi2"); }
  bool has_avx512() const {
    return has_avx2() && has("avx512f") && has("avx512bw") && has("avx512dq") && has("avx512vl") && has("avx512cd");
  }
};

/// Passes of the code generator that find nothing to do in our loops: addresses are written the way the machine wants
/// them, nothing calls memcmp, and so on. LLVM is private to this library, so nobody else's options change.
void skip_needless_passes() {
  auto& options = llvm::cl::getRegisteredOptions();
  for (const char* name :
       {"disable-lsr", "disable-constant-hoisting", "disable-mergeicmps", "disable-partial-libcall-inlining"})
    if (auto found = options.find(name); found != options.end()) found->second->addOccurrence(0, name, "true");
}

/// LLVM ends the process on errors it thinks are ours alone. Here they become exceptions: what was being compiled is
/// lost, no more.
void raise_fatal_error(void*, const char* reason, bool) {
  throw Error(Error::Kind::Internal, std::string("LLVM gave up: ") + reason);
}

const Host& host() {
  static const Host* probed = [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    skip_needless_passes();
    llvm::install_fatal_error_handler(raise_fatal_error);
    return new Host;
  }();
  return *probed;
}

std::string sorted_features(const Host& host) {
  std::map<std::string, bool> sorted;
  for (const auto& entry : host.features) sorted[entry.getKey().str()] = entry.getValue();
  std::string text;
  for (const auto& [name, on] : sorted) text += (text.empty() ? "" : ",") + std::string(on ? "+" : "-") + name;
  return text;
}

std::optional<Isa> make_isa(const std::string& name) {
  const Host& h = host();
  Isa isa;
  isa.x86 = h.triple.isX86();
  int level = 0;  // x86: 0 baseline, 1 AVX2, 2 AVX-512
  if (isa.x86 && h.has_avx2()) level = h.has_avx512() ? 2 : 1;
  if (name.empty()) {
    isa.cpu = h.cpu;
    isa.features = sorted_features(h);
  } else if (name == "baseline") {
    level = 0;
    isa.cpu = isa.x86 ? "x86-64" : "generic";
  } else if (name == "avx2" && level >= 1) {
    level = 1;
    isa.cpu = "x86-64-v3";
  } else if (name == "avx512" && level >= 2) {
    isa.cpu = "x86-64-v4";
  } else {
    return std::nullopt;
  }
  isa.avx = isa.avx2 = level >= 1;
  isa.avx512 = level >= 2;
  isa.fma = isa.half_conversions = !isa.x86 || level >= 1;
  isa.vector_bits = level == 2 ? 512 : level == 1 ? 256 : 128;
  isa.description = h.triple.str() + " " + isa.cpu + " " + isa.features + " vector" + std::to_string(isa.vector_bits) +
                    " llvm " + LLVM_VERSION_STRING + " emitter " + BRAZE_EMITTER_VERSION;
  return isa;
}

std::unique_ptr<llvm::TargetMachine> make_machine(const Isa& isa) {
  std::string error;
  const std::string triple = host().triple.str();
  const llvm::Target* target = llvm::TargetRegistry::lookupTarget(triple, error);
  check_internal(target != nullptr, error);
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Standard;
  return std::unique_ptr<llvm::TargetMachine>(target->createTargetMachine(triple, isa.cpu, isa.features, options,
                                                                          llvm::Reloc::PIC_, llvm::CodeModel::Small,
                                                                          llvm::CodeGenOptLevel::Less, true));
}

std::map<const Isa*, std::unique_ptr<llvm::TargetMachine>>& machines() {
  thread_local std::map<const Isa*, std::unique_ptr<llvm::TargetMachine>> of_this_thread;
  return of_this_thread;
}

}  // namespace

const Isa& isa_named(const std::string& name) {
  static std::mutex mutex;
  static auto* known = new std::map<std::string, std::optional<Isa>>;
  std::lock_guard lock(mutex);
  auto found = known->find(name);
  if (found == known->end()) found = known->emplace(name, make_isa(name)).first;
  check_user(found->second.has_value(),
             "isa = \"" + name +
                 "\" is not one this host can run; known are \"\" (all it has), \"avx512\", \"avx2\" and \"baseline\"");
  return *found->second;
}

llvm::TargetMachine& machine_for(const Isa& isa) {
  auto& machine = machines()[&isa];
  if (!machine) machine = make_machine(isa);
  return *machine;
}

void forget_machines() {
  for (auto& [isa, machine] : machines()) machine.release();  // in an unknown state: not even destroyed
  machines().clear();
}

}  // namespace braze::cpu
