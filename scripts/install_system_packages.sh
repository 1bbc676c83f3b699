#!/bin/sh
# Installs the Debian or Ubuntu packages a build needs, and only those that are missing. With --lint: what `make lint` needs too.
set -eu

packages="cmake ninja-build g++ ccache git llvm-19-dev libzstd-dev zlib1g-dev libxml2-dev libxxhash-dev catch2 python3-dev python3-venv"
if [ "${1:-}" = "--lint" ]; then packages="git cmake ninja-build g++ clang-format-19 clang-tidy-19 catch2 libxxhash-dev python3-venv"; fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "install_system_packages: no apt here; please install by hand what these Debian packages hold: $packages" >&2
  exit 0
fi

missing=""
for package in $packages; do
  status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
  case "$status" in *"ok installed") ;; *) missing="$missing $package" ;; esac
done
if [ -z "$missing" ]; then exit 0; fi

as_root=""
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "install_system_packages: missing:$missing. Run as root: apt-get install$missing" >&2
    exit 1
  fi
  as_root="sudo"
fi
echo "install_system_packages: installing$missing"
$as_root apt-get update -q </dev/null
# shellcheck disable=SC2086
if ! $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing </dev/null; then
  echo "install_system_packages: apt could not install:$missing. LLVM 19 needs Debian 12 or Ubuntu 24.04 and later." >&2
  exit 1
fi
