#!/bin/sh
# Prints the first Python among the versions given (say: find_python.sh 3.11 3.12) that runs and can make an environment with
# headers to build against; looks on PATH, then in ~/.pyenv/versions. Prints nothing when there is none.
for version in "$@"; do
  for candidate in "$(command -v "python$version" 2>/dev/null)" "$HOME/.pyenv/versions/$version"*/bin/"python$version" /usr/bin/"python$version"; do
    [ -x "$candidate" ] || continue
    "$candidate" -c '
import ensurepip, os, sys, sysconfig, venv
headers = os.path.join(sysconfig.get_path("include"), "Python.h")
usable = os.path.exists(headers) and "%d.%d" % sys.version_info[:2] == sys.argv[1]
print(sys.executable) if usable else sys.exit(1)' "$version" 2>/dev/null && exit 0
  done
done
