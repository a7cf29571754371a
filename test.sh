#!/usr/bin/env bash
# Sets up what the tests need and runs all of them: unit, property, official vectors, crash, end-to-end, interop.
set -euo pipefail
cd "$(dirname "$0")"

need() { command -v "$1" >/dev/null || { echo "test.sh: $1 is missing: $2" >&2; exit 1; }; }
need cargo "install Rust 1.95 or newer from https://rustup.rs"
need cc "install a C compiler, for example: apt-get install gcc"
command -v initdb >/dev/null && command -v postgres >/dev/null || {
  # Where Debian keeps them.
  for bin in /usr/lib/postgresql/*/bin; do PATH="$PATH:$bin"; done
}
need initdb "the read model is tested on a real PostgreSQL, for example: apt-get install postgresql"
need postgres "the read model is tested on a real PostgreSQL, for example: apt-get install postgresql"
need python3 "the independent readers in interop/ are Python 3.11 or newer"

# The independent readers need one package; it goes into a private environment, never into the system's.
venv="$PWD/target/interop-venv"
if ! "$venv/bin/python3" -c 'import cryptography' 2>/dev/null; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check 'cryptography>=48,<50'
fi
export PATH="$venv/bin:$PATH"

# The release profile is the only one, so that the demo, the benches and the tests share every artifact.
cargo build --release --locked --workspace --all-targets
cargo test --release --locked --workspace --no-fail-fast
