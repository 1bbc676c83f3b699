// The object a compiled function becomes: a C type whose call looks for an entry whose guards hold, and runs it.
#pragma once

#include <Python.h>

namespace braze {

/// The type braze._C.Callable, made on first use (borrowed). `Callable(function, handler)`; a call
///  - calls `function` when this thread records, compilation is off, or PyTorch modes intercept operations;
///  - runs the first entry whose guards hold (and moves it to the front);
///  - else returns `handler.miss(callable, args, kwargs)`.
/// An entry on trial is timed against `function` and dropped to plain calls when slower. Every 2^k-th hit, k >= 8,
/// returns `handler.shadow(entry, args, kwargs)` where the handler has that method. It binds as a method, has __dict__
/// and weak references, and is collected with the module it belongs to.
PyTypeObject* callable_type();

}  // namespace braze
