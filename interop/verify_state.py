#!/usr/bin/env python3
"""Verifies a proof of state (docs/spec/state-proof.md) offline against the consortium file you trust. Independent of the Rust code.

    python3 interop/verify_state.py PROOF --consortium FILE
    python3 interop/verify_state.py --batch FILE --consortium FILE       a proof on each base64 line, an answer each

Prints block, key, and value in hex or `absent`. Exit status: 0 verified, 1 refused with the reason in one line, 2 not asked properly or a file
that cannot be read. Needs Python 3.11 and the package `cryptography`. Reading order: this file, verify_receipt.py, strict.py.
"""

import argparse
import base64
import sys
from pathlib import Path

import fingerprint
from strict import Either, Refused, check, decoded, labelled_hash, unbase64
from verify_receipt import after, check_cosignatures, read_checkpoint, sha256, shown

LIMIT, HEADERS = 8 << 20, 10_000
HEADER = {"chain": 32, "height": int, "previous": 32, "time": int, "log_size": int, "log_root": 32, "state_root": 32, "epoch": int}
PROVEN = (HEADER, bytes, Either(None, bytes), (Either(None, (32, 32)), [32]))
EMPTY = b"SPARSE_MERKLE_PLACEHOLDER_HASH__"


def state_holds(root: bytes, key: bytes, value, leaf, siblings: list) -> bool:
    """ledger.md, State: the value, or its absence, leads to the root."""
    place = labelled_hash("state-key", key)
    depth = len(siblings)
    if depth > 256:
        return False
    if value is not None:
        if leaf != (place, sha256(value)):
            return False
    elif leaf is not None:
        shared = 256 - (int.from_bytes(leaf[0], "big") ^ int.from_bytes(place, "big")).bit_length()
        if leaf[0] == place or shared < depth:
            return False
    node = EMPTY if leaf is None else sha256(b"JMT::LeafNode", *leaf)
    for at, sibling in enumerate(siblings):
        bit = depth - 1 - at
        right = place[bit // 8] >> 7 - bit % 8 & 1
        pair = (sibling, node) if right else (node, sibling)
        node = sha256(b"JMT::IntrnalNode", *pair)
    return node == root


def verify_state(data: bytes, consortium: list):
    """(height, key, value or None). Steps are those of state-proof.md."""
    check(len(data) <= LIMIT, "the proof is too long")  # 1
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise Refused("the proof is not UTF-8") from error
    parts = after("sottovoce-state-proof/v1\n", text).split("\n\n")
    check(len(parts) == 3 and text.endswith("\n"), "not proof, checkpoint and cosignatures with a blank line between")
    first, *lines = parts[0].split("\n")
    check(len(lines) <= HEADERS, "too many headers")
    proven, key, value, (leaf, siblings) = decoded(unbase64(after("proven ", first), "the proof"), PROVEN, "the proof")
    headers = [decoded(unbase64(after("header ", line), "a header"), HEADER, "a header") for line in lines]
    checkpoint = read_checkpoint(parts[1])  # 2
    _, _, chain, epochs, _ = consortium
    check(checkpoint.chain == chain, "the proof is of another chain")
    at = next((at for at, epoch in enumerate(epochs) if epoch[0] == checkpoint.epoch), None)
    check(at is not None, "the consortium file does not know the epoch; get its newest version from a source you trust")
    _, start, validators = epochs[at]
    within = start < checkpoint.size and (at + 1 == len(epochs) or checkpoint.size <= epochs[at + 1][1])
    check(within, "a log of this size is not of the epoch, which began after it or ended before it")
    check_cosignatures(parts[2][:-1].split("\n"), parts[1].split("\n"), validators)
    last = proven  # 3
    for header in headers:
        check(header.previous == labelled_hash("header", last.cbor) and header.chain == chain, "the headers are no chain")
        last = header
    found = (last.chain, last.log_size, last.log_root, last.epoch, labelled_hash("header", last.cbor))
    said = (checkpoint.chain, checkpoint.size, checkpoint.root, checkpoint.epoch, checkpoint.header)
    check(found == said, "the headers do not lead to the checkpoint's block")
    check(state_holds(proven.state_root, key, value, leaf, siblings), "the state does not say that of the key")  # 4
    return proven.height, key, value


def told(data: bytes, consortium: list) -> str:
    height, key, value = verify_state(data, consortium)
    return f"verified: {height} {shown(key.decode(errors='replace'))} {'absent' if value is None else value.hex()}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("proof", nargs="?")
    parser.add_argument("--consortium", required=True, metavar="FILE")
    parser.add_argument("--batch", metavar="FILE")
    asked = parser.parse_args()
    if (asked.batch is None) == (asked.proof is None):
        parser.error("either one PROOF or --batch")
    failed = 0
    try:
        consortium = fingerprint.read(asked.consortium)
        proofs = map(base64.b64decode, Path(asked.batch).read_text().split()) if asked.batch else [Path(asked.proof).read_bytes()]
        for proof in proofs:
            try:
                print(told(proof, consortium))
            except Refused as error:
                failed = 1
                print(f"refused: {shown(str(error))}", file=sys.stdout if asked.batch else sys.stderr)
    except Refused as error:
        print(f"refused: {error}", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"cannot read: {error}", file=sys.stderr)
        return 2
    return failed


if __name__ == "__main__":
    sys.exit(main())
