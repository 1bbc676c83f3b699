// The caches of compiled code for Python: what they hold, emptying them, and keeping a text of one's own.
#include "bindings/bindings.h"
#include "runtime/disk_cache.h"
#include "runtime/kernel_cache.h"

namespace py = pybind11;

namespace braze {
namespace {

/// Counts of the disk cache, then of the kernels in memory.
py::dict cache_info() {
  DiskCacheInfo kept;
  if (DiskCache* disk = process_disk_cache())
    kept = disk->info();
  else
    kept.problem = "switched off by the option cache";
  const KernelCacheInfo loaded = process_kernel_cache().info();
  py::dict info;
  info["path"] = kept.path;
  info["entries"] = kept.entries;
  info["bytes"] = kept.bytes;
  info["hits"] = kept.hits;
  info["misses"] = kept.misses;
  info["rejected"] = kept.rejected;
  info["stored"] = kept.stored;
  info["evicted"] = kept.evicted;
  info["problem"] = kept.problem;
  info["kernels_loaded"] = loaded.loaded;
  info["kernels_compiled"] = loaded.compiled;
  info["kernels_from_disk"] = loaded.from_disk;
  info["kernels_from_memory"] = loaded.from_memory;
  return info;
}

void cache_clear() {
  py::gil_scoped_release others;
  if (DiskCache* disk = process_disk_cache()) disk->clear();
  process_kernel_cache().clear();
}

std::optional<std::string> cache_find(const std::string& key) {
  DiskCache* disk = process_disk_cache();
  return disk ? disk->load(key) : std::nullopt;
}

void cache_keep(const std::string& key, const std::string& text) {
  if (DiskCache* disk = process_disk_cache()) disk->store(key, text);
}

}  // namespace

void bind_cache(py::module_& module) {
  module.def("cache_info", &cache_info);
  module.def("cache_clear", &cache_clear);
  module.def("cache_find", &cache_find);
  module.def("cache_keep", &cache_keep);
}

}  // namespace braze
