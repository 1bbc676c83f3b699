#!/bin/sh
# Runs Python tests on an extension built with AddressSanitizer and UndefinedBehaviorSanitizer, beside the installed one:
# test_sanitized.sh <build folder> <python> <arguments of pytest>. The first build takes a quarter of an hour.
set -eu

build=$1
python=$2
shift 2

cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS="-O1 -g1" -DBRAZE_SANITIZE=ON -DBRAZE_TESTS=OFF \
  -DPython_EXECUTABLE="$(pwd)/$python" >/dev/null
cmake --build "$build"

package=$build/package/braze
rm -rf "$build/package"
mkdir -p "$build/package"
cp -r python/braze "$package"
rm -f "$package"/*.so
cp "$build"/csrc/bindings/_C.*.so "$build"/csrc/backends/cpu/libbraze_llvm.so "$package"

# Python itself leaks on purpose, and its allocator would hide uses of freed objects. The two libraries have the core in common.
export ASAN_OPTIONS=detect_leaks=0:detect_odr_violation=0:allocator_may_return_null=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export PYTHONMALLOC=malloc
export PYTHONPATH="$(pwd)/$build/package"
LD_PRELOAD="$(c++ -print-file-name=libasan.so) $(c++ -print-file-name=libstdc++.so)" exec "$python" -m pytest -q "$@"
