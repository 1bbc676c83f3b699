// Objects -> callable code in this process.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "llvm_api.h"

namespace braze::cpu {

/// Marks an object with its length and a checksum, so that `load` can tell damage before anything looks inside.
std::string seal(std::string object);

class LoadedModule {
 public:
  virtual ~LoadedModule() = default;
  /// The function of that name, or null.
  virtual braze_kernel_fn find(std::string_view name) const = 0;
};

/// Links a sealed object into the process; it is gone again when the result is destroyed. Raises a User error for a
/// damaged object and one that needs an external nobody bound.
std::unique_ptr<LoadedModule> load(std::string_view sealed);

/// Gives an external symbol its address.
void bind_external(const std::string& symbol, void* address);

}  // namespace braze::cpu
