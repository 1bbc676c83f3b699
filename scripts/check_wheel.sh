#!/bin/sh
# Checks dist/braze-*.whl as a user meets it: check_wheel.sh <python of an environment with PyTorch>. The wheel goes into a new
# environment that borrows only that PyTorch; then, with no compiler on PATH, it must import, compile and agree with eager.
set -eu

python=$1
wheel=$(ls dist/braze-*.whl)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$python" -m venv --without-pip "$folder/venv"
"$python" -m pip -q --python "$folder/venv/bin/python" install --no-deps "$wheel"
packages=$("$folder/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$packages/borrowed.pth"

for library in "$packages"/braze/*.so; do
  strange=$(readelf -d "$library" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' |
    grep -vE '^(libc10|libtorch(_cpu|_python)?|libstdc\+\+|libgcc_s|libc|libm|libdl|libpthread|librt|ld-linux-x86-64)\.so' || true)
  if [ -n "$strange" ]; then
    echo "check_wheel: $(basename "$library") needs libraries a user may not have:" $strange
    exit 1
  fi
done

cp examples/demo_minilm.py benchmarks/model_zoo.py benchmarks/timing.py "$folder"
cd "$folder"
env -i HOME="$folder" PATH="$folder/venv/bin" "$folder/venv/bin/python" - <<'END'
import shutil

assert not any(shutil.which(name) for name in ("cc", "g++", "clang", "llc")), "a compiler is on PATH"
import demo_minilm

import braze

assert braze.__file__.startswith(shutil.which("python").rsplit("/bin", 1)[0]), braze.__file__
row, explanation, expected, actual = demo_minilm.compare(batch=2, threads=1, rounds=3)
assert row["entries"] == 1, explanation
assert float(row["smallest cosine"]) > 0.99999, row
print("the wheel works without a compiler:", row)
END
