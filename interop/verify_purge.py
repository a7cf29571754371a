#!/usr/bin/env python3
"""Verifies who has purged a private payload (docs/spec/private-data.md), from a proof of state, offline against the consortium file you trust.

    python3 interop/verify_purge.py PROOF --consortium FILE

Prints a line for each attestation: member, cause, time in Unix milliseconds. Exit status: 0 verified, 1 refused with the reason in one line, 2 not
asked properly or a file that cannot be read. Needs Python 3.11 and the package `cryptography`. Reading order: this file, verify_state.py.
"""

import argparse
import sys
from pathlib import Path

import cbor
import fingerprint
from strict import Either, Refused, check, decoded, prefix, verify
from verify_receipt import shown
from verify_state import verify_state

CAUSES = ["sender", "date", "member"]
PURGED = {"member": str, "cause": range(3), "at": int, "recorded": int, "key": 32, "signature": 64, "transaction": 32}
HELD = {"member": str, "at": int, "transaction": 32}
PUT = {"label": str, "commitment": 32, "size": int, "recipients": [str]}
DATED = {**PUT, "purge_after": int}
PRIVATE = {"id": 32, "sender": str, "by": 32, "put": Either(PUT, DATED), "since": int, "purging": Either(None, (int, 32)), "held": [HELD], "purged": [PURGED]}


def attestations(data: bytes, consortium: list) -> list:
    """(member, cause, time) of each that verifies; refuses where one does not."""
    _, key, value = verify_state(data, consortium)
    check(value is not None, "the ledger knows no such private payload")
    private = decoded(value, PRIVATE, "the record")
    check(key == b"private/" + private.id.hex().encode(), "the proof is of something else than a private payload")
    chain, put = consortium[2], private.put
    found = []
    for one in private.purged:
        check(one.member in [private.sender, *put.recipients], "one who is no holder has attested")
        statement = cbor.dumps([chain, private.id, put.commitment, put.size, one.member, one.cause, one.at])
        verify(one.key, prefix("purge") + statement, one.signature, f"the attestation of {one.member}")
        found.append((one.member, CAUSES[one.cause], one.at))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("proof")
    parser.add_argument("--consortium", required=True, metavar="FILE")
    asked = parser.parse_args()
    try:
        consortium = fingerprint.read(asked.consortium)
        for member, cause, at in attestations(Path(asked.proof).read_bytes(), consortium):
            print(f"purged: {shown(member)} {cause} {at}")
    except Refused as error:
        print(f"refused: {shown(str(error))}", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"cannot read: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
