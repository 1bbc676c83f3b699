// The extension module braze._C.
#include <dlfcn.h>

#include <filesystem>

#include "backends/cpu_library.h"
#include "bindings/bindings.h"
#include "frontend/capture/recorder.h"

namespace braze {
namespace {

/// The folder this module was loaded from: libbraze_llvm lies beside it.
std::string own_folder() {
  Dl_info found;
  if (!dladdr(reinterpret_cast<const void*>(&own_folder), &found) || !found.dli_fname) return ".";
  return std::filesystem::path(found.dli_fname).parent_path().string();
}

}  // namespace
}  // namespace braze

PYBIND11_MODULE(_C, m) {
  braze::bind_errors(m);
  braze::bind_options(m);
  braze::register_hook();
  braze::set_cpu_library_folder(braze::own_folder());
  braze::bind_capture(m);
  braze::bind_guards(m);
  braze::bind_call(m);
  braze::bind_program(m);
  braze::bind_cache(m);
  braze::bind_overhead(m);
}
