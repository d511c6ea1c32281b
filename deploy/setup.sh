#!/usr/bin/env bash
# Checks what the build needs: Rust, a C++ compiler, and libclang for RocksDB's bindings.
# Installs the missing Debian packages when it may (root, or sudo without a password);
# otherwise prints the exact command and stops. Says what it did.
# `setup.sh tests`: as root also iproute2, for the network that tests make; they do without it too.
set -euo pipefail

rust_needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml")

have_libclang() {
  [ -n "${LIBCLANG_PATH:-}" ] && return 0
  # The headers of the compiler are needed beside the library: bindgen reads stdbool.h.
  compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null \
    && compgen -G '/usr/lib/llvm-*/lib/clang/*/include/stdbool.h' >/dev/null
}

if ! command -v cargo >/dev/null; then
  echo "setup: Rust $rust_needed or newer is needed: see https://rustup.rs" >&2
  exit 1
fi
rust_found=$(rustc --version | cut -d' ' -f2)
if [ "$(printf '%s\n%s\n' "$rust_needed" "$rust_found" | sort -V | head -1)" != "$rust_needed" ]; then
  echo "setup: Rust $rust_found found, $rust_needed or newer is needed: run 'rustup update'" >&2
  exit 1
fi

missing=()
command -v c++ >/dev/null || missing+=(g++)
have_libclang || missing+=(libclang-dev)
if [ "${1:-}" = tests ] && ! { command -v ip && command -v tc; } >/dev/null; then
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && apt-get install -y -qq --no-install-recommends iproute2 >/dev/null \
      && echo "setup: installed iproute2" \
      || echo "setup: skipped: iproute2 cannot be installed; tests use loopback"
  else
    echo "setup: skipped: iproute2 (ip, tc) is absent; tests use loopback"
  fi
fi
# The text of papers is read back; without the tool that test skips with a line.
if [ "${1:-}" = tests ] && [ -n "${LETOPIS_REQUIRE_PDFTOTEXT:-}" ]; then
  command -v pdftotext >/dev/null || missing+=(poppler-utils)
fi
# The exports are compared with what pm4py reads, in a virtual environment of Python.
if [ -n "${LETOPIS_REQUIRE_PM4PY:-}" ]; then
  python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
fi

if [ ${#missing[@]} -eq 0 ]; then
  echo "setup: Rust $rust_found, C++ compiler and libclang are there"
  exit 0
fi

command="apt-get install -y --no-install-recommends ${missing[*]}"
if ! command -v apt-get >/dev/null; then
  echo "setup: missing: ${missing[*]} (Debian names); install them with your package manager" >&2
  exit 1
fi
if [ "$(id -u)" -eq 0 ]; then
  as_root=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
  as_root=(sudo -n)
else
  echo "setup: missing: ${missing[*]}. Run this, then try again:" >&2
  echo "  sudo apt-get update && sudo $command" >&2
  exit 1
fi
echo "setup: installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq
# shellcheck disable=SC2086
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive $command >/dev/null
have_libclang || { echo "setup: libclang is still not found; set LIBCLANG_PATH" >&2; exit 1; }
echo "setup: installed ${missing[*]}"
