#!/usr/bin/env bash
# Feeds all that reads a peer's bytes noise that coverage guides: `fuzz/run.sh [SECONDS] [TARGET...]` [default: 600 for each, all targets].
set -euo pipefail
cd "$(dirname "$0")/.."
seconds="${1:-600}"
targets="${*:2}"
[ -n "$targets" ] || targets=$(cd fuzz/fuzz_targets && ls | sed 's/\.rs$//')

# They begin with what is right: the samples that the rooms' own tests make.
FUZZ_CORPUS="$PWD/fuzz/corpus" cargo test --release --locked --workspace --lib --quiet -- fuzz_seeds

bounds="-max_total_time=$seconds -timeout=60 -rss_limit_mb=4096"
if cargo +nightly fuzz --version >/dev/null 2>&1; then
  one() { cargo +nightly fuzz run "$1" -- $bounds; }
else
  # The stable compiler counts coverage as well; only the address sanitizer wants a nightly one.
  echo "fuzz: no cargo-fuzz with a nightly compiler: fuzzing by the stable one, without the address sanitizer" >&2
  counted="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
  counted="$counted -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions"
  # With a target named, what builds and runs on the way is compiled as ever.
  host=$(rustc -vV | sed -n 's/^host: //p')
  RUSTFLAGS="$counted" cargo build --release --locked --manifest-path fuzz/Cargo.toml --target-dir fuzz/target --target "$host"
  one() {
    mkdir -p "fuzz/corpus/$1" "fuzz/artifacts/$1"
    "fuzz/target/$host/release/$1" $bounds -artifact_prefix="fuzz/artifacts/$1/" "fuzz/corpus/$1"
  }
fi
found=""
for target in $targets; do
  echo "fuzz: $target" >&2
  one "$target" || found="$found $target"
done
[ -z "$found" ] || { echo "fuzz: found by$found: the input lies in fuzz/artifacts" >&2; exit 1; }
