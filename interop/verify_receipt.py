#!/usr/bin/env python3
"""Verifies a receipt (docs/spec/receipt.md) offline against the consortium file you trust. Independent of the Rust code.

    python3 interop/verify_receipt.py RECEIPT --consortium FILE [--witness KEY]... [--witnesses K]
    python3 interop/verify_receipt.py --batch --consortium FILE …     names of receipts on standard input, an answer each

With --witness the receipt's testimony must have lines of K of these witnesses, all unless --witnesses says otherwise.

Exit status: 0 verified, 1 refused with the reason in one line, 2 not asked properly or a file that cannot be read.
Needs Python 3.11 and the package `cryptography`. Reading order: this file, chain.py, strict.py, cbor.py, fingerprint.py.
"""

import argparse
import hashlib
import re
import sys
from types import SimpleNamespace

import chain
import fingerprint
from strict import ML_DSA_SIGNATURE, Refused, check, decoded, labelled_hash, prefix, unbase64, verify, verify_ml_dsa
from cbor import dumps

ENTRY = (({"chain": 32, "sender": 32, "nonce": 16, "expires": int, "contract": str, "method": str, "arguments": bytes}, 64),
         int, range(1 << 32), (str, [(str, bytes)]))
NAME = re.compile(r"[a-z0-9_-]{1,32}")
WITNESS = re.compile("[!-*,-~]{1,128}")


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def decimal(text: str) -> int:
    check(re.fullmatch("0|[1-9][0-9]{0,19}", text) is not None and int(text) < 1 << 64, f"{text[:24]!r} is no number")
    return int(text)


def after(start: str, line: str) -> str:
    check(line.startswith(start), f"a line does not begin with {start!r}")
    return line[len(start):]


def digest(text: str) -> bytes:
    value = unbase64(text, "a digest")
    check(len(value) == 32, "a digest has not 32 bytes")
    return value


def included(root: bytes, size: int, index: int, leaf: bytes, path: list) -> bool:
    """RFC 9162 §2.1.3.2; `leaf` is a leaf's data."""
    if index >= size:
        return False
    position, last, node = index, size - 1, sha256(b"\0", leaf)
    for sibling in path:
        if last == 0:
            return False
        if position & 1 or position == last:
            node = sha256(b"\1", sibling, node)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            node = sha256(b"\1", node, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and node == root


def consistent(old: int, old_root: bytes, new: int, new_root: bytes, path: list) -> bool:
    """RFC 9162 §2.1.4.2."""
    if old == new:
        return not path and old_root == new_root
    if not 0 < old < new:
        return False
    path = list(path)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    first = second = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            first, second = sha256(b"\1", sibling, first), sha256(b"\1", sibling, second)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            second = sha256(b"\1", second, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


def witness_key(text: str):
    """(name, key) of a verifier key."""
    parts = text.split("+", 2)
    check(len(parts) == 3, "not the key of a witness")
    name, identity, blob = parts
    key = unbase64(blob, "the key of a witness")
    check(WITNESS.fullmatch(name) is not None, "a witness has no proper name")
    check(len(key) == 33 and key[0] == 4 and identity == key_id(name, key[1:]).hex(), "not the key of a witness")
    return name, key[1:]


def read_checkpoint(text: str):
    """The five lines of a checkpoint."""
    lines = text.split("\n")
    check(len(lines) == 5, "a checkpoint has five lines")
    chain = after("sottovoce/", lines[0])
    check(re.fullmatch("[0-9a-f]{64}", chain) is not None, "the origin is no chain's")
    return SimpleNamespace(chain=bytes.fromhex(chain), size=decimal(lines[1]), root=digest(lines[2]),
                           header=digest(after("header ", lines[3])), epoch=decimal(after("epoch ", lines[4])), body=text + "\n")


def cosigned(checkpoint, key: bytes, blob: bytes, what: str) -> int:
    """When; `blob` stands after the key id."""
    check(len(blob) == 72, f"{what} is not of its length")
    time = int.from_bytes(blob[:8], "big")
    verify(key, f"cosignature/v1\ntime {time}\n{checkpoint.body}".encode(), blob[8:], what)
    return time


def read(data: bytes):
    """Step 1: (entries with their paths, the checkpoint's five lines, the cosignature lines, the testimony's three parts or none)."""
    check(len(data) <= 4 << 20, "the receipt is too long")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise Refused("the receipt is not UTF-8") from error
    version, _, rest = after("sottovoce-receipt/", text).partition("\n")
    check(version in ("v1", "v2") and text.endswith("\n"), "not a receipt of a version that is known")
    parts = rest[:-1].split("\n\n")
    check(len(parts) == {"v1": 3, "v2": 6}[version], "not entries, checkpoint, cosignatures and testimony with a blank line between")
    lines, checkpoint, cosignatures = (part.split("\n") for part in parts[:3])
    check(len(lines) % 2 == 0 and len(lines) <= 512 and len(checkpoint) == 5, "too many or too few lines")
    return list(zip(lines[::2], lines[1::2])), checkpoint, cosignatures, parts[3:]


def key_id(name: str, key: bytes) -> bytes:
    """C2SP's, of a validator's or witness's Ed25519 key."""
    return sha256(name.encode(), b"\n\x04", key)[:4]


def ml_dsa_key_id(name: str, key: bytes) -> bytes:
    """Of a validator's ML-DSA key: C2SP's type for others, 0xff, and the name of this one."""
    return sha256(name.encode(), b"\n\xffsottovoce/ml-dsa-65", key)[:4]


def check_ml_dsa(name: str, key: bytes, body: str, blob: bytes, what: str) -> None:
    """`blob` is the time and the signature: over the validator's name, the time and the checkpoint."""
    check(len(blob) == 8 + ML_DSA_SIGNATURE, f"{what} is not of its length")
    claim = dumps([name, int.from_bytes(blob[:8], "big"), body])
    verify_ml_dsa(key, "cosignature", claim, blob[8:], what)


def check_cosignatures(lines: list, checkpoint: list, validators: list) -> None:
    """Step 4."""
    quorum = len(validators) - (len(validators) - 1) // 3
    each = len(validators[0]) - 1
    check(each == 1 or len(lines) != quorum, "the epoch demands ML-DSA-65 beside Ed25519, and the cosignatures are without it")
    check(len(lines) == quorum * each, f"{len(lines)} cosignatures where exactly {quorum * each} make a quorum")
    keys, places = {name: keys for name, *keys in validators}, [name for name, *_ in validators]
    body = "".join(line + "\n" for line in checkpoint)
    for line, *also in zip(*[iter(lines)] * each):
        name, _, blob = after("\u2014 ", line).partition(" ")
        check(name in places, f"{name!r} is no validator of the epoch, or repeated, or out of order")
        del places[:places.index(name) + 1]
        key, *ml_dsa = keys[name]
        blob = unbase64(blob, f"the cosignature of {name}")
        check(len(blob) == 76 and blob[:4] == key_id(name, key), f"the cosignature of {name} is of another key")
        signed = f"cosignature/v1\ntime {int.from_bytes(blob[4:12], 'big')}\n" + body
        verify(key, signed.encode(), blob[12:], f"the cosignature of {name}")
        for key, line in zip(ml_dsa, also):
            what = f"the ML-DSA cosignature of {name}"
            other, _, second = after("\u2014 ", line).partition(" ")
            second = unbase64(second, what)
            same = other == name and second[:4] == ml_dsa_key_id(name, key) and second[4:12] == blob[4:12]
            check(same, f"{what} is of another name, key or time")
            check_ml_dsa(name, key, body, second[4:], what)


def read_entry(line: str, path: str, root: bytes, size: int, chain_id: bytes):
    """Step 5: one entry, verified."""
    index, _, record = after("entry ", line).partition(" ")
    index = decimal(index)
    (its, signature), height, position, (code, events) = decoded(unbase64(record, f"entry {index}"), ENTRY, f"entry {index}")
    check(its.chain == chain_id, f"entry {index} is of another chain")
    well_formed = NAME.fullmatch(its.contract) and NAME.fullmatch(its.method) and len(its.arguments) <= 60 << 10
    check(bool(well_formed), f"entry {index} is out of bounds")
    verify(its.sender, prefix("transaction") + its.cbor, signature, f"the signature of entry {index}")
    identity = labelled_hash("transaction", its.cbor)
    leaf = labelled_hash("outcome", dumps([identity, height, position, code, labelled_hash("events", dumps(events))]))
    path = after("path ", path)
    digests = b"" if path == "-" else unbase64(path, f"the path of entry {index}")
    well_formed = (path == "-") == (digests == b"") and len(digests) % 32 == 0 and len(digests) <= 64 * 32
    check(well_formed, f"the path of entry {index} is malformed")
    siblings = [digests[at:at + 32] for at in range(0, len(digests), 32)]
    check(included(root, size, index, leaf, siblings), f"entry {index} is not in the log that was cosigned")
    return SimpleNamespace(index=index, id=identity, sender=its.sender, method=f"{its.contract}.{its.method}",
                           arguments=its.arguments, code=code, events=events, transaction=its)


def pinned_witnesses(keys: list, least, consortium: list):
    """Testimony, step 2: (the witnesses, how many of them are demanded), or none."""
    witnesses = sorted({witness_key(key) for key in keys})
    validators = {key for _, _, validators in consortium[3] for _, key, *_ in validators}
    check(len({key for _, key in witnesses}) == len(witnesses), "two witnesses have one key")
    check(not validators & {key for _, key in witnesses}, "the key of a witness is a validator's")
    least = len(witnesses) if least is None else least
    check(not witnesses or 1 <= least <= len(witnesses), "more witnesses are demanded than are named, or none")
    return witnesses, least


def read_testimony(parts: list, receipt):
    """Testimony, form and step 1: (the witnessed checkpoint, its lines as (name, key id, what follows))."""
    path, checkpoint, lines = after("consistency ", parts[0]), read_checkpoint(parts[1]), []
    digests = b"" if path == "-" else unbase64(path, "the consistency path")
    well_formed = (path == "-") == (digests == b"") and len(digests) % 32 == 0 and len(digests) <= 63 * 32
    check(well_formed, "the consistency path is malformed")
    for line in parts[2].split("\n"):
        name, _, blob = after("\u2014 ", line).partition(" ")
        blob = unbase64(blob, "the line of a witness")
        check(WITNESS.fullmatch(name) is not None and len(blob) == 76, "the line of a witness is malformed")
        lines.append((name, blob[:4], blob[4:]))
    places = [(name.encode(), identity) for name, identity, _ in lines]
    check(len(lines) <= 16 and all(a < b for a, b in zip(places, places[1:])), "lines of witnesses are too many, repeated or out of order")
    check(checkpoint.chain == receipt.chain, "the testimony is of another chain")
    siblings = [digests[at:at + 32] for at in range(0, len(digests), 32)]
    same = checkpoint.size != receipt.size or checkpoint.body == receipt.body
    continues = same and checkpoint.epoch >= receipt.epoch and consistent(receipt.size, receipt.root, checkpoint.size, checkpoint.root, siblings)
    check(continues, "the witnessed log does not continue the receipt's")
    return checkpoint, lines


def attested(testimony, pinned) -> list:
    """Testimony, step 3: who cosigned, and when."""
    (witnesses, least), found = pinned, []
    checkpoint, lines = testimony or (None, [])
    for name, key in witnesses:
        for other, identity, rest in lines:
            if (other, identity) == (name, key_id(name, key)):
                found.append((name, cosigned(checkpoint, key, rest, f"the line of the witness {name}")))
    check(len(found) >= least, f"{len(found)} of the witnesses have cosigned where {least} must")
    return found


def verify_receipt(data: bytes, consortium: list, pinned=([], 0)):
    """Returns (kind, the request's entry, all entries, what is known of witnesses), or raises `Refused`. Steps are those of receipt.md."""
    _, _, chain_id, epochs, _ = consortium
    entries, checkpoint, cosignatures, parts = read(data)
    check(checkpoint[0] == f"sottovoce/{chain_id.hex()}", "the receipt is of another chain")  # 2
    size, root = decimal(checkpoint[1]), digest(checkpoint[2])
    digest(after("header ", checkpoint[3]))
    number = decimal(after("epoch ", checkpoint[4]))  # 3
    at = next((at for at, epoch in enumerate(epochs) if epoch[0] == number), None)
    check(at is not None, "the consortium file does not know the epoch; get its newest version from a source you trust")
    _, start, validators = epochs[at]
    within = start < size and (at + 1 == len(epochs) or size <= epochs[at + 1][1])
    check(within, "a log of this size is not of the epoch, which began after it or ended before it")
    check_cosignatures(cosignatures, checkpoint, validators)
    entries = [read_entry(line, path, root, size, chain_id) for line, path in entries]
    increasing = all(a.index < b.index for a, b in zip(entries, entries[1:]))
    check(increasing, "entries are repeated or out of order")
    testimony = read_testimony(parts, read_checkpoint("\n".join(checkpoint))) if parts else None  # 6
    witnesses = [f"witnessed by {name} at {time}, in a log of {testimony[0].size} entries" for name, time in attested(testimony, pinned)]
    if testimony and not witnesses:
        witnesses = [f"{len(testimony[1])} lines of witnesses, none of them checked"]
    kind, request = chain.tell(entries, consortium)
    return kind, request, entries, witnesses


def shown(text: str) -> str:
    """On one line, and nothing that a terminal would obey."""
    return "".join(character if " " <= character <= "~" else "?" for character in text)


def account(kind: str, request, entries: list, witnesses: list) -> str:
    steps = [f"{entry.index:>8} {entry.events[0][0] if entry.code == 'ok' else entry.method}: {entry.code}"
             f" (by {entry.sender.hex()})" for entry in entries]
    return "\n".join(map(shown, [kind, f"request {request.id.hex()} by {request.sender.hex()}", *steps, *witnesses]))


def main() -> int:
    parser = argparse.ArgumentParser(description="Verify a receipt offline.")
    parser.add_argument("receipt", nargs="?")
    parser.add_argument("--consortium", metavar="FILE", help="the consortium file, from a source you trust")
    parser.add_argument("--batch", action="store_true", help="verify each receipt named on standard input")
    parser.add_argument("--witness", metavar="KEY", action="append", default=[], help="the verifier key of a witness you rely on")
    parser.add_argument("--witnesses", metavar="K", type=int, help="how many of them must have cosigned [default: all]")
    arguments = parser.parse_args()
    if arguments.consortium is None:
        parser.error("a receipt proves nothing without the consortium file that you trust: --consortium FILE")
    if arguments.witnesses is not None and not arguments.witness:
        parser.error("--witnesses needs those that are counted: --witness KEY")
    if arguments.batch == (arguments.receipt is not None):
        parser.error("either one RECEIPT or --batch")
    failed = 0
    try:
        consortium = fingerprint.read(arguments.consortium)
        pinned = pinned_witnesses(arguments.witness, arguments.witnesses, consortium)
        for path in map(str.rstrip, sys.stdin) if arguments.batch else [arguments.receipt]:
            try:
                with open(path, "rb") as file:
                    told = verify_receipt(file.read((4 << 20) + 1), consortium, pinned)
                print(f"verified: {shown(told[0])}" if arguments.batch else account(*told))
            except Refused as error:
                failed = 1
                print(f"refused: {shown(str(error))}", file=sys.stdout if arguments.batch else sys.stderr)
    except Refused as error:
        print(f"refused: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"cannot read: {error}", file=sys.stderr)
        return 2
    return failed


if __name__ == "__main__":
    sys.exit(main())
