#!/usr/bin/env python3
"""Checks an exported log (docs/spec/log.md) offline against the consortium file you trust. Independent of the Rust code.

    python3 interop/verify_log.py DIRECTORY --consortium FILE [--since CHECKPOINT] [--witness KEY]...
    python3 interop/verify_log.py --paths FILE --consortium FILE --checkpoint CHECKPOINT     inclusion and consistency paths
    python3 interop/verify_log.py --batch FILE --consortium FILE [--witness KEY]             a checkpoint on each base64 line

A file of paths has lines `inclusion <index> <leaf> <digest>…` and `consistency <old size> <old root> <digest>…`, all in hex; they lead to
the checkpoint. Exit status: 0 verified, 1 refused with the reason in one line, 2 not asked properly or a file that cannot be read.
Needs Python 3.11 and the package `cryptography`. Reading order: this file, verify_receipt.py, strict.py, cbor.py, fingerprint.py.
"""

import argparse
import base64
import hashlib
import re
import sys
from pathlib import Path

import fingerprint
from cbor import dumps
from strict import ML_DSA_SIGNATURE, Refused, check, decoded, labelled_hash, prefix, unbase64, verify
from verify_receipt import (ENTRY, NAME, after, check_ml_dsa, consistent, cosigned, decimal, included, key_id, ml_dsa_key_id,
                            read_checkpoint, shown, witness_key)

WIDTH = 256


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def note(data: bytes, consortium: list, witnesses=()):
    """The checkpoint of a note that a quorum, at least, and these witnesses cosigned."""
    check(len(data) <= 1 << 20, "the note is too long")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise Refused("the note is not UTF-8") from error
    body, _, signatures = text.partition("\n\n")
    checkpoint = read_checkpoint(body)
    check(signatures.endswith("\n"), "the note does not end with a line")
    lines = signatures[:-1].split("\n")
    check(len(lines) <= 512, "too many signature lines")
    _, _, chain, epochs, _ = consortium
    check(checkpoint.chain == chain, "the checkpoint is of another chain")
    at = next((at for at, epoch in enumerate(epochs) if epoch[0] == checkpoint.epoch), None)
    check(at is not None, "the consortium file does not know the epoch")
    _, start, validators = epochs[at]
    within = start < checkpoint.size and (at + 1 == len(epochs) or checkpoint.size <= epochs[at + 1][1])
    check(within, "a log of this size is not of the epoch")
    keys, signers, also, seen = {name: keys for name, *keys in validators}, set(), set(), {}
    for line in lines:
        name, space, blob = after("\u2014 ", line).partition(" ")
        blob = unbase64(blob, "a signature line")
        proper = name != "" and space and len(blob) > 4 and not re.search(r"[\s+\x00-\x1f\x7f-\x9f]", name)
        check(bool(proper), "a signature line is malformed")
        if name in keys:
            key, *ml_dsa = keys[name]
            second = [key for key in ml_dsa if blob[:4] == ml_dsa_key_id(name, key)]
            # Where both ids are one, the length tells.
            if second and (len(blob) == 12 + ML_DSA_SIGNATURE or blob[:4] != key_id(name, key)):
                check_ml_dsa(name, second[0], checkpoint.body, blob[4:], f"the ML-DSA cosignature of {name}")
                also.add(name)
            elif blob[:4] == key_id(name, key):
                cosigned(checkpoint, key, blob[4:], f"the cosignature of {name}")
                signers.add(name)
        for witness in witnesses:
            if (name, blob[:4]) == (witness[0], key_id(*witness)):
                seen[witness[0]] = cosigned(checkpoint, witness[1], blob[4:], f"the cosignature of {name}")
    quorum = len(validators) - (len(validators) - 1) // 3
    check(len(signers) >= quorum, f"{len(signers)} cosignatures where {quorum} are a quorum")
    if len(validators[0]) > 2:
        check(len(signers & also) >= quorum, f"{len(signers & also)} with ML-DSA-65 where the epoch demands {quorum}")
    missing = [name for name, _ in witnesses if name not in seen]
    check(not missing, f"the witness {missing[:1]} has not cosigned")
    return checkpoint


def tree_root(hashes: list) -> bytes:
    """RFC 9162 §2.1.1 over leaf hashes."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return sha256(b"\1", tree_root(hashes[:split]), tree_root(hashes[split:]))


def index_path(index: int, width: int) -> str:
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.insert(0, f"x{index % 1000:03}")
    return "/".join(groups) + (f".p/{width}" if width < WIDTH else "")


class Log:
    """A directory of tiles of a log of so many entries."""

    def __init__(self, directory: Path, size: int):
        self.directory, self.size = directory, size

    def width(self, level: int, index: int) -> int:
        return min(WIDTH, (self.size >> 8 * level) - index * WIDTH)

    def read(self, path: str, limit: int = WIDTH * 34) -> bytes:
        try:
            with open(self.directory / path, "rb") as file:
                data = file.read(limit + 1)
        except OSError as error:
            raise Refused(f"{path} cannot be read: {error.strerror}") from error
        check(len(data) <= limit, f"{path} is too long")
        return data

    def hashes(self, level: int, index: int) -> list:
        width = self.width(level, index)
        path = f"tile/{level}/{index_path(index, width)}"
        data = self.read(path)
        check(len(data) == 32 * width, f"{path} is not of its length")
        return [data[at:at + 32] for at in range(0, len(data), 32)]

    def subtree(self, level: int, index: int) -> bytes:
        """The root of the complete subtree of 2^level leaves at an index."""
        tier, within = divmod(level, 8)
        first = index << within
        tile, at = divmod(first, WIDTH)
        return tree_root(self.hashes(tier, tile)[at:at + (1 << within)])

    def root(self, size: int) -> bytes:
        """The root of the first `size` leaves: complete subtrees from the largest to the smallest, folded from the right."""
        parts, start = [], 0
        for level in reversed(range(size.bit_length())):
            if size >> level & 1:
                parts.append(self.subtree(level, start >> level))
                start += 1 << level
        node = parts.pop()
        while parts:
            node = sha256(b"\1", parts.pop(), node)
        return node

    def check_tiles(self, root: bytes) -> int:
        """Each full tile is what the one above has of it; the partial ones make the root."""
        check(self.root(self.size) == root, "the tiles do not make the checkpoint's root")
        level = count = 0
        while self.size >> 8 * level:
            for index in range(-(-(self.size >> 8 * level) // WIDTH)):
                hashes = self.hashes(level, index)
                count += 1
                if len(hashes) == WIDTH:
                    above = self.hashes(level + 1, index // WIDTH)[index % WIDTH]
                    check(tree_root(hashes) == above, f"tile {level}/{index} is not what the one above has of it")
            level += 1
        return count

    def check_entries(self, chain: bytes) -> int:
        """Entries hash to the tiles of level 0; records are what the entries are of."""
        for index in range(-(-self.size // WIDTH)):
            width = self.width(0, index)
            path = index_path(index, width)
            data = self.read(f"tile/entries/{path}")
            entries = [data[at + 2:at + 34] for at in range(0, len(data), 34)]
            framed = b"".join(b"\x00\x20" + entry for entry in entries)
            check(len(entries) == width and framed == data, f"tile/entries/{path} is malformed")
            hashed = [sha256(b"\0", entry) for entry in entries]
            check(hashed == self.hashes(0, index), f"tile/entries/{path} is not of the hashes")
            records = self.read(f"records/{path}", WIDTH * (512 << 10))
            at = 0
            for place, entry in enumerate(entries, index * WIDTH):
                length = int.from_bytes(records[at:at + 4], "big")
                record, at = records[at + 4:at + 4 + length], at + 4 + length
                check(at <= len(records) and length > 0, f"record {place} breaks off")
                check(leaf(record, place, chain) == entry, f"record {place} is not what the log says")
            check(at == len(records), f"records/{path} holds more than the log")
        return self.size


def leaf(record: bytes, place: int, chain: bytes) -> bytes:
    """The leaf of a record: steps of receipt.md."""
    what = f"record {place}"
    (its, signature), height, position, (code, events) = decoded(record, ENTRY, what)
    check(its.chain == chain, f"{what} is of another chain")
    well_formed = NAME.fullmatch(its.contract) and NAME.fullmatch(its.method) and len(its.arguments) <= 60 << 10
    check(bool(well_formed), f"{what} is out of bounds")
    verify(its.sender, prefix("transaction") + its.cbor, signature, f"the signature of {what}")
    identity = labelled_hash("transaction", its.cbor)
    return labelled_hash("outcome", dumps([identity, height, position, code, labelled_hash("events", dumps(events))]))


def check_paths(text: str, checkpoint) -> int:
    """Inclusion and consistency paths that lead to a checkpoint."""
    lines = text.splitlines()
    for line in lines:
        kind, number, known, *path = line.split(" ")
        check(all(re.fullmatch("[0-9a-f]{64}", part) for part in [known, *path]), "a digest is malformed")
        number, known, path = decimal(number), bytes.fromhex(known), [bytes.fromhex(part) for part in path]
        if kind == "inclusion":
            holds = leads(checkpoint, number, known, path)
        else:
            check(kind == "consistency", "a path is of no kind that is known")
            holds = consistent(number, known, checkpoint.size, checkpoint.root, path)
        check(holds, f"the {kind} path of {number} does not lead to the checkpoint")
    return len(lines)


def leads(checkpoint, index: int, leaf_data: bytes, path: list) -> bool:
    return included(checkpoint.root, checkpoint.size, index, leaf_data, path)


def run(asked) -> list:
    content = fingerprint.read(asked.consortium)
    witnesses = [witness_key(key) for key in asked.witness]
    if asked.batch:
        answers = []
        for line in Path(asked.batch).read_text().split():
            try:
                answers.append(f"verified: {note(base64.b64decode(line), content, witnesses).size}")
            except Refused as error:
                answers.append(f"refused: {shown(str(error))}")
        return answers
    if asked.paths:
        checkpoint = note(Path(asked.checkpoint).read_bytes(), content, witnesses)
        return [f"verified: {check_paths(Path(asked.paths).read_text(), checkpoint)} paths"]
    directory = Path(asked.directory)
    checkpoint = note(Log(directory, 0).read("checkpoint", 64 << 10), content, witnesses)
    log = Log(directory, checkpoint.size)
    tiles, records = log.check_tiles(checkpoint.root), 0
    if (directory / "tile/entries").exists() or (directory / "records").exists():
        records = log.check_entries(checkpoint.chain)
    if asked.since:
        old = note(Path(asked.since).read_bytes(), content)
        check(old.size <= checkpoint.size and (old.size < checkpoint.size or old.body == checkpoint.body)
              and log.root(old.size) == old.root, "the log does not continue the checkpoint that you kept")
    return [f"verified: {checkpoint.size} entries, {tiles} tiles, {records} records"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", nargs="?")
    parser.add_argument("--consortium", required=True, metavar="FILE")
    parser.add_argument("--since", metavar="CHECKPOINT")
    parser.add_argument("--witness", metavar="KEY", action="append", default=[])
    parser.add_argument("--paths", metavar="FILE")
    parser.add_argument("--checkpoint", metavar="CHECKPOINT")
    parser.add_argument("--batch", metavar="FILE")
    asked = parser.parse_args()
    if sum(one is not None for one in (asked.directory, asked.paths, asked.batch)) != 1 or (asked.paths and not asked.checkpoint):
        parser.error("one DIRECTORY, or --paths with --checkpoint, or --batch")
    try:
        answers = run(asked)
    except Refused as error:
        print(f"refused: {shown(str(error))}", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"cannot read: {error}", file=sys.stderr)
        return 2
    print("\n".join(answers))
    return 0 if all(answer.startswith("verified") for answer in answers) else 1


if __name__ == "__main__":
    sys.exit(main())
