// Finds the functions of llvm_api.h in the library and speaks to them in C++.
#include "backends/cpu_library.h"

#include <dlfcn.h>

#include <mutex>
#include <utility>

#include "backends/cpu/llvm_api.h"
#include "support/error.h"

namespace braze {
namespace {

constexpr const char* kFileName = "libbraze_llvm.so";

/// The functions of llvm_api.h, found by name.
struct Interface {
  decltype(&braze_llvm_target) target;
  decltype(&braze_llvm_compile) compile;
  decltype(&braze_llvm_load) load;
  decltype(&braze_llvm_find) find;
  decltype(&braze_llvm_unload) unload;
  decltype(&braze_llvm_bind) bind;
  decltype(&braze_llvm_externals) externals;
  decltype(&braze_llvm_free_bytes) free_bytes;
};

template <typename Function>
void resolve(void* library, const std::string& path, const char* symbol, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, symbol));
  check_user(function != nullptr, "braze: " + path + " does not export " + symbol +
                                      "; it belongs to another version of braze, reinstall braze");
}

Interface resolve_all(void* library, const std::string& path) {
  Interface api;
  resolve(library, path, "braze_llvm_target", api.target);
  resolve(library, path, "braze_llvm_compile", api.compile);
  resolve(library, path, "braze_llvm_load", api.load);
  resolve(library, path, "braze_llvm_find", api.find);
  resolve(library, path, "braze_llvm_unload", api.unload);
  resolve(library, path, "braze_llvm_bind", api.bind);
  resolve(library, path, "braze_llvm_externals", api.externals);
  resolve(library, path, "braze_llvm_free_bytes", api.free_bytes);
  return api;
}

/// The message the library left in `error`, freed.
std::string take_message(const Interface& api, char* error) {
  std::string message = error ? error : "no reason given";
  if (error) api.free_bytes(error);
  return message;
}

class CpuCode : public LoadedCode {
 public:
  CpuCode(const Interface& api, braze_llvm_module* module) : api_(api), module_(module) {}
  ~CpuCode() override { api_.unload(module_); }
  CpuCode(const CpuCode&) = delete;
  CpuCode& operator=(const CpuCode&) = delete;

  KernelFn find(const std::string& name) const override { return api_.find(module_, name.c_str()); }

 private:
  const Interface api_;  // a copy: code may outlive the backend that loaded it
  braze_llvm_module* module_;
};

class CpuLibrary : public Backend {
 public:
  explicit CpuLibrary(const Interface& api) : api_(api) {}

  std::string_view name() const override { return "cpu"; }

  std::string target(const CodegenOptions& options) const override {
    const char* target = api_.target(options.isa.c_str());
    check_user(target != nullptr,
               "braze: unknown isa \"" + options.isa + "\"; accepted: avx2, avx512, baseline, or none to probe");
    return target;
  }

  Binary compile(const std::vector<NamedKernel>& kernels, const CodegenOptions& options,
                 std::string* dump) const override {
    std::vector<const char*> texts, names;
    for (const NamedKernel& kernel : kernels) {
      texts.push_back(kernel.text.c_str());
      names.push_back(kernel.name.c_str());
    }
    braze_llvm_bytes object{}, listing{};
    char* error = nullptr;
    const int status = api_.compile(texts.data(), names.data(), texts.size(), options.isa.c_str(), options.fast_math,
                                    &object, dump ? &listing : nullptr, &error);
    check_internal(status == 0, status == 0 ? "" : "cannot generate code: " + take_message(api_, error));
    if (dump) *dump = take(listing);
    return take(object);
  }

  std::shared_ptr<LoadedCode> load(const Binary& binary) const override {
    char* error = nullptr;
    braze_llvm_module* module = api_.load(binary.data(), binary.size(), &error);
    check_internal(module != nullptr, module ? "" : "cannot load generated code: " + take_message(api_, error));
    return std::make_shared<CpuCode>(api_, module);
  }

 private:
  std::string take(const braze_llvm_bytes& bytes) const {
    std::string copy(bytes.data ? bytes.data : "", bytes.data ? bytes.size : 0);
    if (bytes.data) api_.free_bytes(bytes.data);
    return copy;
  }

  const Interface api_;
};

void bind_externals(const Interface& api, const SymbolLookup& lookup) {
  for (const char* const* symbol = api.externals(); *symbol; ++symbol) {
    void* address = dlsym(RTLD_DEFAULT, *symbol);
    if (!address && lookup) address = lookup(*symbol);
    if (address) api.bind(*symbol, address);
  }
}

struct ProcessBackend {
  std::mutex mutex;
  std::string folder;
  SymbolLookup lookup;
  std::unique_ptr<Backend> backend;
};

/// Never destroyed: compiled code may still be released while the process exits.
ProcessBackend& process_backend() {
  static auto* state = new ProcessBackend;
  return *state;
}

}  // namespace

std::unique_ptr<Backend> open_cpu_library(const std::string& path, const SymbolLookup& lookup) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char* reason = dlerror();
    throw Error(Error::Kind::User, "braze: cannot open its code generator " + path + ": " +
                                       (reason ? reason : "unknown reason") +
                                       "; the installation is incomplete, reinstall braze");
  }
  const Interface api = resolve_all(library, path);
  bind_externals(api, lookup);
  return std::make_unique<CpuLibrary>(api);
}

void set_cpu_library_folder(const std::string& folder) {
  ProcessBackend& state = process_backend();
  std::lock_guard lock(state.mutex);
  state.folder = folder;
}

void set_cpu_symbol_lookup(SymbolLookup lookup) {
  ProcessBackend& state = process_backend();
  std::lock_guard lock(state.mutex);
  state.lookup = std::move(lookup);
}

const Backend& cpu_backend() {
  ProcessBackend& state = process_backend();
  std::lock_guard lock(state.mutex);
  if (!state.backend) {
    check_user(!state.folder.empty(), "braze: the folder of libbraze_llvm is not set; import braze before compiling");
    state.backend = open_cpu_library(state.folder + "/" + kFileName, state.lookup);
  }
  return *state.backend;
}

}  // namespace braze
