#!/bin/sh
# Runs clang-tidy on the C++ files of the pure core that changed since the main branch was left, or in the last commit.
set -eu

base=$(git merge-base origin/HEAD HEAD 2>/dev/null || true)
if [ -z "$base" ] || [ "$base" = "$(git rev-parse HEAD)" ]; then base=$(git rev-parse -q --verify HEAD~1 || true); fi
if [ -z "$base" ]; then
  echo "clang-tidy: no earlier commit to compare with, nothing to do"
  exit 0
fi

files=$(git diff --name-only --diff-filter=d "$base" -- 'csrc/*.cpp' |
  grep -E '^csrc/(support|ops|graph|passes|schedule|runtime|backends/reference)/|^csrc/[^/]*$' || true)
if [ -z "$files" ]; then
  echo "clang-tidy: no file of the core changed"
  exit 0
fi
cmake --preset core >/dev/null
# shellcheck disable=SC2086
echo $files | xargs -n 4 -P "$(nproc)" clang-tidy-19 -p build/core --quiet 2>build/core/tidy.log || {
  grep -vE "warnings generated|Processing file" build/core/tidy.log || true
  exit 1
}
