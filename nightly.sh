#!/usr/bin/env bash
# What is too long for every change: all tests marked `ignored`, the large sizes of the benches, fuzzing guided by coverage.
# Takes hours. `./nightly.sh SECONDS` fuzzes each target for so long [default: 600].
set -euo pipefail
cd "$(dirname "$0")"
seconds="${1:-600}"

./test.sh
# A thousand seeds of the ordering that were not tried the night before; one that fails is told, with the command that replays it.
night=$(($(date +%s) / 86400))
export ORDER_SEEDS="${ORDER_SEEDS:-$((night * 1000))..$((night * 1000 + 1000))}"
echo "nightly: seeds $ORDER_SEEDS" >&2
# One at a time: the large ones want the machine's memory for themselves. Validators in network namespaces are among them; they want root.
cargo test --release --locked --workspace --no-fail-fast -- --ignored --test-threads=1

# Whole protocols at their full sizes; every result is opened and compared.
sotto=target/release/sotto
"$sotto" bench mpc --runs 5
"$sotto" bench mpc --runs 3 --net lan --protocol rep3
"$sotto" bench mpc --runs 1 --net wan --protocol rep3 --work mul,dot,lt,sort,sum,sum1
"$sotto" bench mpc --runs 1 --n 1000000 --work lt,sort --protocol rep3
"$sotto" bench mpc --runs 1 --n 100000000 --work sum,mul,dot --protocol rep3
"$sotto" bench mpc --runs 1 --n 100000000 --work sum --protocol additive --parties 3

# The tests above have fed every target seeded noise for a minute; this feeds it noise that coverage guides.
targets=$(cd fuzz && ls fuzz_targets | sed 's/\.rs$//')
if cargo +nightly fuzz --version >/dev/null 2>&1; then
  for target in $targets; do
    cargo +nightly fuzz run "$target" -- -max_total_time="$seconds"
  done
else
  # The stable compiler counts coverage as well; only the address sanitizer wants a nightly one.
  echo "nightly: no cargo-fuzz with a nightly compiler: fuzzing by the stable one, without the address sanitizer" >&2
  counted="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
  counted="$counted -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions"
  # With a target named, what builds and runs on the way is compiled as ever.
  host=$(rustc -vV | sed -n 's/^host: //p')
  RUSTFLAGS="$counted" cargo build --release --manifest-path fuzz/Cargo.toml --target "$host"
  for target in $targets; do
    mkdir -p "fuzz/corpus/$target" "fuzz/artifacts/$target"
    "fuzz/target/$host/release/$target" -max_total_time="$seconds" -artifact_prefix="fuzz/artifacts/$target/" "fuzz/corpus/$target"
  done
fi
echo "nightly: all passed"
