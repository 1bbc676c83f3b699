// The C interface: nothing but conversions, and a net under every exception.
#include <cstdlib>
#include <cstring>

#include "compile.h"
#include "externals.h"
#include "llvm_api.h"
#include "load.h"
#include "support/error.h"

using namespace braze;
using namespace braze::cpu;

struct braze_llvm_module {
  std::unique_ptr<LoadedModule> loaded;
};

namespace {

char* copy_of(const std::string& text) {
  char* copy = static_cast<char*>(std::malloc(text.size() + 1));
  if (copy) std::memcpy(copy, text.c_str(), text.size() + 1);
  return copy;
}

void give(braze_llvm_bytes* bytes, const std::string& text) {
  if (bytes) *bytes = {copy_of(text), text.size()};
}

/// Runs `body`; an exception becomes the message in `error` and the result `failed`.
template <typename Result, typename Body>
Result guarded(char** error, Result failed, Body body) {
  if (error) *error = nullptr;
  std::string message = "unknown error";
  try {
    return body();
  } catch (const std::exception& e) {
    message = e.what();
  } catch (...) {
  }
  if (error) *error = copy_of(message);
  return failed;
}

std::string text_or_empty(const char* text) { return text ? text : ""; }

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

const char* braze_llvm_target(const char* isa) {
  return guarded<const char*>(nullptr, nullptr, [&] { return isa_named(text_or_empty(isa)).description.c_str(); });
}

int braze_llvm_compile(const char* const* texts, const char* const* names, size_t count, const char* isa, int fast_math,
                       braze_llvm_bytes* object, braze_llvm_bytes* dump, char** error) {
  return guarded(error, 1, [&] {
    std::vector<Kernel> kernels;
    std::vector<std::string> symbols;
    for (size_t i = 0; i < count; ++i) {
      kernels.push_back(parse_kernel(texts[i]));
      symbols.emplace_back(names[i]);
    }
    CompiledObject compiled = compile(kernels, symbols, isa_named(text_or_empty(isa)), fast_math != 0, dump != nullptr);
    give(object, seal(std::move(compiled.object)));
    give(dump, compiled.dump);
    return 0;
  });
}

braze_llvm_module* braze_llvm_load(const char* object, size_t size, char** error) {
  return guarded<braze_llvm_module*>(error, nullptr, [&] { return new braze_llvm_module{load({object, size})}; });
}

braze_kernel_fn braze_llvm_find(braze_llvm_module* module, const char* name) {
  return guarded<braze_kernel_fn>(nullptr, nullptr, [&] { return module->loaded->find(name); });
}

void braze_llvm_unload(braze_llvm_module* module) {
  guarded(nullptr, 0, [&] {
    delete module;
    return 0;
  });
}

void braze_llvm_bind(const char* symbol, void* address) {
  guarded(nullptr, 0, [&] {
    bind_external(symbol, address);
    return 0;
  });
}

const char* const* braze_llvm_externals(void) {
  return guarded<const char* const*>(nullptr, nullptr, [] { return external_symbols(); });
}

void braze_llvm_free_bytes(void* data) { std::free(data); }

}  // extern "C"
#pragma GCC visibility pop
