#!/usr/bin/env bash
# Made `consortium.tar.gz` beside this file, once, with version 0.1.0: homes of four members and two people as their files were when the
# first formats were frozen. `upgrade.rs` has today's program go on with them. It is kept to tell how they came about and is not
# run again: a later version's files are frozen beside these, never in their place.
#
#   PATH=target/release:$PATH crates/cli/tests/first/make.sh OUT.tar.gz
set -euo pipefail
out=$(realpath "$1")
samples=$(realpath "$(dirname "$0")/../../../../samples/hospitals")
work=$(mktemp -d)
cd "$work"
(umask 077 && printf 'correct horse battery staple' > passphrase)
export SOTTO_PASSPHRASE_FILE=$work/passphrase
declare -A node
trap 'kill ${node[@]} 2> /dev/null' EXIT
at() { SOTTO_HOME=$work/$1 sotto --quiet "${@:2}"; }
run() {
  SOTTO_HOME=$work/$1 sotto node run > "$1.log" 2>&1 &
  node[$1]=$!
  at "$1" node status --wait 60 > /dev/null
}
# A block of the loopback network that nothing else uses: the members' addresses stand on the ledger.
listen() { echo "--listen 127.83.14.$1:4433 --order-listen 127.83.14.$1:4434"; }

at health-authority init --member health-authority --consortium First --regulator $(listen 1) > /dev/null
run health-authority
number=1
for member in st-anna riverside northgate; do
  number=$((number + 1))
  fingerprint=$(at health-authority invite $member --out $member.invitation)
  at $member join $member.invitation --fingerprint "$fingerprint" $(listen $number) > /dev/null
  run $member
done
at health-authority member oracles establish --participants st-anna,riverside,northgate --threshold 2

# People, and who vouches for them. `university` belongs to no member.
person() { # name, member, number, role
  at "$2" member export --out "$2.toml" > /dev/null
  key=$(sotto --quiet --home "$1" init --principal "$1" --member "$2" --node "https://127.83.14.$3:4433" \
    --pin "$(at "$2" member show)" --consortium "$2.toml")
  at "$2" member principal add "$1" --key "$key" --role "$4" > /dev/null
}
for name in dr-veit dr-okafor dr-lund; do person $name northgate 4 approver; done
for member in st-anna riverside northgate; do
  case $member in st-anna) number=2 ;; riverside) number=3 ;; northgate) number=4 ;; esac
  at $member member export --out $member.toml > /dev/null
  key=$(sotto --quiet --home $member-data-steward init --principal data-steward --member $member \
    --node https://127.83.14.$number:4433 --pin "$(at $member member show)" --consortium $member.toml)
  at $member member principal add data-steward --key "$key" --role approver > /dev/null
done
person m-lind st-anna 2 requester
sotto --quiet --home university init --principal university --node https://127.83.14.1:4433 \
  --pin "$(at health-authority member show)" --consortium st-anna.toml > /dev/null
at health-authority member issuer accredit university --key "$(sotto --quiet --home university key)" --claim researcher > /dev/null
at health-authority member credential issue --issuer-home university --subject "$(sotto --quiet --home m-lind key)" \
  --name "Dr. Maria Lind" --claim researcher --days 3650 --out m-lind.credential > /dev/null

# Data, contracts, a release and a computation while one member orders.
# For ten years, so that tests can go on with them.
cp "$samples/program.toml" .
for contract in compute northgate-release; do
  sed 's/^days = .*/days = 3650/' "$samples/$contract.toml" > $contract.toml
done
for member in st-anna riverside northgate; do
  head -200 "$samples/$member.csv" > $member.csv
  at $member asset seal $member.csv --name trial > /dev/null
  at $member contract offer compute.toml > /dev/null
done
at northgate contract offer northgate-release.toml > /dev/null
lind() { sotto --quiet --home m-lind "$@"; }
apply() { lind request apply "$@" --purpose research --justification "before the upgrade" --credential m-lind.credential; }
request=$(apply northgate/trial/release)
for name in dr-veit dr-okafor; do sotto --quiet --home $name approve $request > /dev/null; done
lind fetch $request --out received.csv > /dev/null
cmp received.csv northgate.csv
lind receipt $request --out release.receipt > /dev/null
request=$(apply st-anna/trial/compute riverside/trial/compute northgate/trial/compute)
for member in st-anna riverside northgate; do sotto --quiet --home $member-data-steward approve $request > /dev/null; done
lind compute $request > computed
lind receipt $request --out compute.receipt > /dev/null

# All order together; ballots govern; one request waits for its second approval, one proposal for ballots.
until at health-authority member validators begin > /dev/null 2>&1; do sleep 0.5; done
for member in health-authority st-anna riverside northgate; do
  until [ "$(at $member member validators show)" = "quorum 4" ]; do sleep 0.2; done
done
at health-authority gov begin > /dev/null
until [ "$(at st-anna gov parameters)" = ballots ]; do sleep 0.2; done
at st-anna gov propose parameters --open 9 > proposal
waiting=$(apply northgate/trial/release)
sotto --quiet --home dr-veit approve $waiting > /dev/null
echo $waiting > waiting
at riverside node backup riverside.backup > /dev/null
at health-authority state prove "member/northgate" --out member.proof > /dev/null
at health-authority member export --out consortium.toml > /dev/null
for member in health-authority st-anna riverside northgate; do
  kill ${node[$member]}
  wait ${node[$member]} || true
done
rm -f ./*.log ./*.invitation passphrase
tar --sort=name --owner=0 --group=0 --numeric-owner -czf "$out" .
rm -r "$work"
