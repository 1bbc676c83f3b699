// What the compiler asks of a code generator: Loop IR text in, native code out, a pointer to call.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace braze {

/// Runs points [begin, end) of a kernel's parallel axes (of a product, whole panels: product_form.h); non-zero when an
/// index of a gather was out of range. `params`: one pointer a param of the kernel and, when it has size parameters,
/// one more to their values (int64_t each).
using KernelFn = int64_t (*)(void* const* params, int64_t begin, int64_t end);

/// One kernel to compile: its Loop IR, and the symbol its code gets.
struct NamedKernel {
  std::string name;
  std::string text;
};

/// What changes the code made from one text. Everything here is part of a kernel's cache key.
struct CodegenOptions {
  std::string isa;         // a cap on the instruction set, in the backend's words; empty: all the host has
  bool fast_math = false;  // numerics="fast": contraction across ops is allowed
  bool operator==(const CodegenOptions&) const = default;
};

/// Code as bytes: what the disk cache keeps.
using Binary = std::string;

/// Code in memory; unloaded when destroyed, so whoever calls into it holds a reference.
class LoadedCode {
 public:
  virtual ~LoadedCode() = default;
  /// The kernel of that name, or null.
  virtual KernelFn find(const std::string& name) const = 0;
};

/// All methods may be called from several threads at once. Failures are Errors.
class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string_view name() const = 0;
  /// The machine and the code generator, exactly enough that equal targets make interchangeable code.
  virtual std::string target(const CodegenOptions& options) const = 0;
  /// Compiles the kernels into one binary. `dump`, when given, receives the intermediate forms as text.
  virtual Binary compile(const std::vector<NamedKernel>& kernels, const CodegenOptions& options,
                         std::string* dump = nullptr) const = 0;
  virtual std::shared_ptr<LoadedCode> load(const Binary& binary) const = 0;
};

}  // namespace braze
