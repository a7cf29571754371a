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
  mkdir "$out/bookings"
fi

for version in 1 2; do
  "$venv/bin/python3" -m ziglang cc -target wasm32-freestanding -mcpu=lime1 -std=c23 -Wall -Wextra -Werror -Oz -nostdlib \
    -DVERSION="$version" -Wl,--no-entry -Wl,--strip-all -Wl,-z,stack-size=16384 \
    -o "$out/bookings/bookings-$version.wasm" bookings/bookings.c
done

if [ "${1:-}" = --check ]; then
  for version in 1 2; do
    cmp "bookings/bookings-$version.wasm" "$out/bookings/bookings-$version.wasm" || {
      echo "contracts: bookings-$version.wasm does not come from its source: run samples/contracts/build.sh" >&2
      exit 1
    }
  done
  echo "contracts: the modules come from their sources"
fi
