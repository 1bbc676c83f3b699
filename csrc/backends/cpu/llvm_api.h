/* The C interface of libbraze_llvm: Loop IR text in, native code out. LLVM is linked in statically and hidden; nothing
 * of it, of PyTorch or of Python crosses this line. Functions that can fail return a message in `error` (freed with
 * braze_llvm_free_bytes), or leave it null. All functions may be called from any thread. */
#ifndef BRAZE_BACKENDS_CPU_LLVM_API_H_
#define BRAZE_BACKENDS_CPU_LLVM_API_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Runs points [begin, end) of the parallel axes. params: one pointer a kernel param. Returns 0, or non-zero when an
 * index of a gather was out of range (what was written by then is undefined). Safe to call from several threads on
 * disjoint ranges. */
typedef int64_t (*braze_kernel_fn)(void* const* params, int64_t begin, int64_t end);

typedef struct braze_llvm_bytes {
  char* data;
  size_t size;
} braze_llvm_bytes;

typedef struct braze_llvm_module braze_llvm_module; /* loaded native code */

/* The host this process runs on, as one line: triple, cpu, feature flags, LLVM version and the emitter's own version.
 * Part of every cache key. Honours isa = "" (probe), "avx2", "avx512" or "baseline" to cap what may be used; the string
 * stays valid. */
const char* braze_llvm_target(const char* isa);

/* Compiles kernels (Loop IR text each, names give the symbols) to one relocatable object. `dump`: null, or receives
 * LLVM IR and assembly as text. fast_math != 0 allows contraction (numerics="fast"). */
int braze_llvm_compile(const char* const* texts, const char* const* names, size_t count, const char* isa, int fast_math,
                       braze_llvm_bytes* object, braze_llvm_bytes* dump, char** error);

/* Loads an object made by braze_llvm_compile; a damaged object is an error, never a crash. */
braze_llvm_module* braze_llvm_load(const char* object, size_t size, char** error);
braze_kernel_fn braze_llvm_find(braze_llvm_module* module, const char* name);
void braze_llvm_unload(braze_llvm_module* module);

/* Binds the name of an external vector math function (say "Sleef_expf16_u10") before kernels that use it are loaded. */
void braze_llvm_bind(const char* symbol, void* address);
/* The external symbols compiled kernels may need, null-terminated, so that the caller can look them up and bind them.
 */
const char* const* braze_llvm_externals(void);

void braze_llvm_free_bytes(void* data);

#ifdef __cplusplus
}
#endif
#endif
