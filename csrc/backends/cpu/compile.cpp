// LLVM IR straight to an object: the IR is born vectorised and tidy, so no optimisation pipeline runs before the code
// generator.
#include "compile.h"

#include "emit.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Transforms/Utils/Cloning.h"
#include "support/error.h"

namespace braze::cpu {
namespace {

/// A module being compiled. After an error inside LLVM nothing here can be trusted to be destroyed, so `abandon` leaks
/// it.
struct Work {
  std::unique_ptr<llvm::LLVMContext> context = std::make_unique<llvm::LLVMContext>();
  std::unique_ptr<llvm::Module> module = std::make_unique<llvm::Module>("braze", *context);
  std::unique_ptr<llvm::legacy::PassManager> passes;

  void abandon() {
    (void)passes.release();
    (void)module.release();
    (void)context.release();
    forget_machines();
  }
};

std::string generate(Work& work, llvm::TargetMachine& machine, llvm::CodeGenFileType type) {
  llvm::SmallString<0> code;
  llvm::raw_svector_ostream stream(code);
  work.passes = std::make_unique<llvm::legacy::PassManager>();
  try {
    check_internal(!machine.addPassesToEmitFile(*work.passes, stream, nullptr, type), "this target emits no such file");
    work.passes->run(*work.module);
  } catch (...) {
    work.abandon();
    throw;
  }
  work.passes.reset();
  return code.str().str();
}

std::string text_of(const llvm::Module& module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream, nullptr);
  return text;
}

void check_valid(const llvm::Module& module) {
#ifndef NDEBUG
  std::string message;
  llvm::raw_string_ostream stream(message);
  check_internal(!llvm::verifyModule(module, &stream),
                 "the emitted LLVM IR is not valid: " + message + "\n" + text_of(module));
#endif
}

}  // namespace

CompiledObject compile(const std::vector<Kernel>& kernels, const std::vector<std::string>& names, const Isa& isa,
                       bool fast_math, bool keep_dump) {
  llvm::TargetMachine& machine = machine_for(isa);
  Work work;
  llvm::Module& module = *work.module;
  module.setDataLayout(machine.createDataLayout());
  module.setTargetTriple(machine.getTargetTriple().str());
  module.setPICLevel(llvm::PICLevel::BigPIC);
  for (size_t i = 0; i < kernels.size(); ++i) emit_kernel(module, kernels[i], names[i], isa, fast_math);
  check_valid(module);

  CompiledObject result;
  if (keep_dump) {
    Work copy;  // its module lives in the context of `work`, which outlives it
    copy.module = llvm::CloneModule(module);
    result.dump = text_of(module) + generate(copy, machine, llvm::CodeGenFileType::AssemblyFile);
  }
  result.object = generate(work, machine, llvm::CodeGenFileType::ObjectFile);
  return result;
}

}  // namespace braze::cpu
