// One LLJIT for the process. Each object gets a JITDylib of its own, so that it can be removed without a trace.
#include "load.h"

#include <cmath>
#include <cstring>
#include <map>
#include <mutex>

#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/xxhash.h"
#include "support/error.h"
#include "target.h"

namespace braze::cpu {
namespace {

constexpr char kMagic[8] = {'b', 'r', 'a', 'z', 'e', 'o', 'b', '1'};

struct Seal {
  char magic[8];
  uint64_t size;
  uint64_t checksum;
};

uint64_t checksum(std::string_view bytes) {
  return llvm::xxh3_64bits(llvm::ArrayRef(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()));
}

/// The object inside a sealed one.
std::string_view unseal(std::string_view sealed) {
  Seal seal;
  check_user(sealed.size() >= sizeof seal, "the object code is cut off");
  std::memcpy(&seal, sealed.data(), sizeof seal);
  const std::string_view object = sealed.substr(sizeof seal);
  check_user(std::memcmp(seal.magic, kMagic, sizeof kMagic) == 0, "not object code of this compiler");
  check_user(seal.size == object.size() && seal.checksum == checksum(object), "the object code is damaged");
  return object;
}

void check(llvm::Error error, const char* what) {
  if (error) throw Error(Error::Kind::User, std::string(what) + ": " + llvm::toString(std::move(error)));
}

template <typename T>
T check(llvm::Expected<T> value, const char* what) {
  if (!value) check(value.takeError(), what);
  return std::move(*value);
}

/// Functions the code generator may call where an instruction set has no instruction for something.
std::map<std::string, void*> c_library() {
  std::map<std::string, void*> table;
#define FUNCTION(name, type) table[#name] = reinterpret_cast<void*>(static_cast<type>(name));
#define UNARY(name) FUNCTION(name, double (*)(double)) FUNCTION(name##f, float (*)(float))
#define BINARY(name) FUNCTION(name, double (*)(double, double)) FUNCTION(name##f, float (*)(float, float))
#include "c_library.def"
#undef FUNCTION
#undef UNARY
#undef BINARY
  return table;
}

class Linker {
 public:
  static Linker& instance() {
    static auto* linker = new Linker;  // never destroyed: loaded code may run until the process ends
    return *linker;
  }

  void bind(const std::string& symbol, void* address) {
    std::lock_guard lock(mutex_);
    void*& known = bound_[symbol];
    if (known == address) return;
    if (known != nullptr) check(externals_->remove({jit_->mangleAndIntern(symbol)}), "binding an external symbol");
    known = address;
    check(externals_->define(llvm::orc::absoluteSymbols(
              {{jit_->mangleAndIntern(symbol),
                {llvm::orc::ExecutorAddr::fromPtr(address), llvm::JITSymbolFlags::Exported}}})),
          "binding an external symbol");
  }

  llvm::orc::LLJIT& jit() { return *jit_; }
  llvm::orc::JITDylib& externals() { return *externals_; }
  std::string fresh_name() {
    std::lock_guard lock(mutex_);
    return "kernels" + std::to_string(count_++);
  }

 private:
  Linker() {
    isa_named("");  // initialises the native target
    jit_ = check(llvm::orc::LLJITBuilder()
                     .setPlatformSetUp(llvm::orc::setUpInactivePlatform)
                     .setLinkProcessSymbolsByDefault(false)
                     .create(),
                 "starting the JIT linker");
    jit_->getExecutionSession().setErrorReporter([](llvm::Error error) { llvm::consumeError(std::move(error)); });
    externals_ = &jit_->getExecutionSession().createBareJITDylib("externals");
    for (const auto& [name, address] : c_library()) bind(name, address);
  }

  std::mutex mutex_;
  std::unique_ptr<llvm::orc::LLJIT> jit_;
  llvm::orc::JITDylib* externals_ = nullptr;
  std::map<std::string, void*> bound_;
  int64_t count_ = 0;
};

class Dylib : public LoadedModule {
 public:
  explicit Dylib(std::string_view object)
      : linker_(Linker::instance()),
        dylib_(linker_.jit().getExecutionSession().createBareJITDylib(linker_.fresh_name())) {
    try {
      link(object);
    } catch (...) {
      remove();
      throw;
    }
  }
  ~Dylib() override { remove(); }

  braze_kernel_fn find(std::string_view name) const override {
    auto found = functions_.find(name);
    return found == functions_.end() ? nullptr : found->second;
  }

 private:
  void link(std::string_view object) {
    auto buffer = llvm::MemoryBuffer::getMemBufferCopy(llvm::StringRef(object.data(), object.size()), "kernels");
    llvm::orc::SymbolLookupSet names = defined(*buffer);
    dylib_.addToLinkOrder(linker_.externals());
    check(linker_.jit().addObjectFile(dylib_, std::move(buffer)), "loading object code");
    auto& session = linker_.jit().getExecutionSession();
    auto symbols = check(session.lookup({{&dylib_, llvm::orc::JITDylibLookupFlags::MatchAllSymbols}}, std::move(names)),
                         "linking object code");
    for (const auto& [name, symbol] : symbols) functions_[(*name).str()] = symbol.getAddress().toPtr<braze_kernel_fn>();
  }

  llvm::orc::SymbolLookupSet defined(const llvm::MemoryBuffer& buffer) {
    auto file = check(llvm::object::ObjectFile::createObjectFile(buffer.getMemBufferRef()), "reading object code");
    llvm::orc::SymbolLookupSet names;
    for (const auto& symbol : file->symbols()) {
      const uint32_t flags = check(symbol.getFlags(), "reading object code");
      if (!(flags & llvm::object::SymbolRef::SF_Global) || (flags & llvm::object::SymbolRef::SF_Undefined)) continue;
      names.add(linker_.jit().getExecutionSession().intern(check(symbol.getName(), "reading object code")));
    }
    return names;
  }

  void remove() { llvm::consumeError(linker_.jit().getExecutionSession().removeJITDylib(dylib_)); }

  Linker& linker_;
  llvm::orc::JITDylib& dylib_;
  std::map<std::string, braze_kernel_fn, std::less<>> functions_;
};

}  // namespace

std::string seal(std::string object) {
  Seal seal;
  std::memcpy(seal.magic, kMagic, sizeof kMagic);
  seal.size = object.size();
  seal.checksum = checksum(object);
  std::string sealed(reinterpret_cast<const char*>(&seal), sizeof seal);
  return sealed + object;
}

std::unique_ptr<LoadedModule> load(std::string_view sealed) { return std::make_unique<Dylib>(unseal(sealed)); }

void bind_external(const std::string& symbol, void* address) { Linker::instance().bind(symbol, address); }

}  // namespace braze::cpu
