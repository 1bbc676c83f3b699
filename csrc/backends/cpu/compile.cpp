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

std::string generate(llvm::Module& module, llvm::TargetMachine& machine, llvm::CodeGenFileType type) {
  llvm::SmallString<0> code;
  llvm::raw_svector_ostream stream(code);
  llvm::legacy::PassManager passes;
  check_internal(!machine.addPassesToEmitFile(passes, stream, nullptr, type), "this target emits no such file");
  passes.run(module);
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
  llvm::LLVMContext context;
  llvm::Module module("braze", context);
  module.setDataLayout(machine.createDataLayout());
  module.setTargetTriple(machine.getTargetTriple().str());
  module.setPICLevel(llvm::PICLevel::BigPIC);
  for (size_t i = 0; i < kernels.size(); ++i) emit_kernel(module, kernels[i], names[i], isa, fast_math);
  check_valid(module);

  CompiledObject result;
  if (keep_dump) {
    result.dump = text_of(module);
    result.dump += generate(*llvm::CloneModule(module), machine, llvm::CodeGenFileType::AssemblyFile);
  }
  result.object = generate(module, machine, llvm::CodeGenFileType::ObjectFile);
  return result;
}

}  // namespace braze::cpu
