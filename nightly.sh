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

# Signatures with the arithmetic that other processors take: keys get tables there, which they do not where there is AVX-512.
if [ "$(uname -m)" = x86_64 ]; then
  for backend in serial simd; do
    RUSTFLAGS="--cfg curve25519_dalek_backend=\"$backend\"" cargo test --release --locked -p sottovoce-crypto --target-dir "target/$backend"
  done
fi

# Whole protocols at their full sizes; every result is opened and compared.
sotto=target/release/sotto
"$sotto" bench mpc --runs 5
"$sotto" bench mpc --runs 3 --net lan --protocol rep3
"$sotto" bench mpc --runs 1 --net wan --protocol rep3 --work mul,dot,lt,sort,sum,sum1
"$sotto" bench mpc --runs 1 --n 1000000 --work lt,sort --protocol rep3
"$sotto" bench mpc --runs 1 --n 100000000 --work sum,mul,dot --protocol rep3
"$sotto" bench mpc --runs 1 --n 100000000 --work sum --protocol additive --parties 3

# The tests above have fed every target seeded noise for a minute; this feeds it noise that coverage guides.
fuzz/run.sh "$seconds"
echo "nightly: all passed"
