#!/usr/bin/env python3
"""Verifies a slate's certificate (docs/spec/ordering.md) against the consortium file you trust. Independent of the Rust code.

    python3 interop/verify_certificate.py CERTIFICATE --consortium FILE

Prints the slate's height, and the ledger header that its validators have executed. Exit status: 0 verified, 1 refused with the reason in
one line. Needs Python 3.11 and the package `cryptography`.
"""

import argparse
import sys

import fingerprint
from strict import Refused, check, decoded, labelled_hash, verify

HEADER = {"chain": 32, "epoch": int, "height": int, "parent": 32, "time": int, "executed": int, "executed_header": 32,
          "count": int, "body": 32}
CERTIFICATE = (HEADER, int, int, [(int, 64)])
LIMIT = 64 * 1024


def varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out + bytes([number]))


def certified(data: bytes, content: list):
    """The slate's header, if a quorum of its epoch's validators finalised it."""
    check(len(data) <= LIMIT, "the certificate is too long")
    header, view, parent_view, votes = decoded(data, CERTIFICATE, "the certificate")
    _, _, chain, epochs, _ = content
    check(header.chain == chain, "the certificate is of another chain")
    groups = [validators for number, _, validators in epochs if number == header.epoch]
    check(len(groups) == 1, f"the consortium file has no epoch {header.epoch}")
    keys = sorted(key for _, key, *_ in groups[0])
    places = [place for place, _ in votes]
    check(all(a < b for a, b in zip(places, places[1:])), "the votes are not by increasing place")
    check(all(place < len(keys) for place in places), "a vote is by nobody")
    quorum = len(keys) - (len(keys) - 1) // 3
    check(len(votes) >= quorum, f"{len(votes)} votes where {quorum} are a quorum")
    namespace = f"sottovoce/v1/order/{chain.hex()}_FINALIZE".encode()
    proposal = varint(header.epoch) + varint(view) + varint(parent_view) + labelled_hash("slate", header.cbor)
    for place, signature in votes:
        verify(keys[place], varint(len(namespace)) + namespace + proposal, signature, f"the vote at place {place}")
    return header


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("certificate")
    parser.add_argument("--consortium", required=True)
    asked = parser.parse_args()
    try:
        with open(asked.certificate, "rb") as file:
            found = certified(file.read(LIMIT + 1), fingerprint.read(asked.consortium))
        print(f"verified: slate {found.height}, ledger header {found.executed_header.hex()} after slate {found.executed}")
    except (Refused, OSError) as error:
        sys.exit(f"refused: {error}")
