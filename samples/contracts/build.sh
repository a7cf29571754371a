#!/usr/bin/env bash
# Builds the example contracts from their sources. `build.sh --check` builds them elsewhere and compares: the bytes must be the same.
# Needs Python and the package index, for a compiler of one exact version.
set -euo pipefail
cd "$(dirname "$0")"

venv="${CONTRACTS_VENV:-$PWD/../../target/contracts-venv}"
if [ "$("$venv/bin/python3" -m ziglang version 2>/dev/null || true)" != 0.15.2 ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check 'ziglang==0.15.2'
fi

out=.
if [ "${1:-}" = --check ]; then
  out="$(mktemp -d)"
  trap 'rm -rf "$out"' EXIT
  mkdir "$out/bookings" "$out/facts"
fi

# compile MODULE SOURCE OPTION...
compile() {
  local module=$1 source=$2
  shift 2
  "$venv/bin/python3" -m ziglang cc -target wasm32-freestanding -mcpu=lime1 -std=c23 -Wall -Wextra -Werror -Oz -nostdlib \
    "$@" -Wl,--no-entry -Wl,--strip-all -Wl,-z,stack-size=16384 -o "$out/$module" "$source"
}

for version in 1 2; do
  compile "bookings/bookings-$version.wasm" bookings/bookings.c -DVERSION="$version"
done
compile facts/facts.wasm facts/facts.c

if [ "${1:-}" = --check ]; then
  for module in bookings/bookings-1.wasm bookings/bookings-2.wasm facts/facts.wasm; do
    cmp "$module" "$out/$module" || {
      echo "contracts: $module does not come from its source: run samples/contracts/build.sh" >&2
      exit 1
    }
  done
  echo "contracts: the modules come from their sources"
fi
