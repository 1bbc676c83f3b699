// The CPU backend as the compiler sees it: libbraze_llvm, opened at first use through its C interface.
#pragma once

#include <functional>
#include <string>

#include "backends/backend.h"

namespace braze {

/// The folder libbraze_llvm lies in (that of the extension module). To be set once, before the first compilation.
void set_cpu_library_folder(const std::string& folder);

/// Finds the address of a math function compiled code may call ("Sleef_expf16_u10"), or returns null.
using SymbolLookup = std::function<void*(const char* symbol)>;

/// Asked for each external symbol that the process itself does not export. To be set before the first compilation.
void set_cpu_symbol_lookup(SymbolLookup lookup);

/// The CPU backend of this process. Raises a User error that says what is missing when the library cannot be used; a
/// later call tries again.
const Backend& cpu_backend();

/// The backend of the library at `path`, kept open for the life of the process; `lookup` may be empty.
std::unique_ptr<Backend> open_cpu_library(const std::string& path, const SymbolLookup& lookup);

}  // namespace braze
