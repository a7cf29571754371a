#!/usr/bin/env python3
"""Opens a sealed object (docs/spec/sealed-object.md) that was sealed to an X25519 key. Independent of the Rust code.

    python3 interop/open_sealed.py --key KEY.hex [--root ROOT.hex-digits] IN.sotto OUT

Needs Python 3.11 and the package `cryptography` 48. OUT appears only once everything has been verified.
"""

import argparse
import hashlib
import hmac
import os
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

import cbor
import check_escrow

MAGIC = b"sottobj1"
SEGMENT, TAG = 65536, 16
MAX_BLOCK, MAX_CORE = 192 * 1024, 16 * 1024 + 128
X25519 = 0x0020


class Refused(Exception):
    """The object is not what it should be."""


def prefix(label: str) -> bytes:
    text = f"sottovoce/v1/{label}".encode()
    return bytes([len(text)]) + text


def labelled_hash(label: str, *parts: bytes) -> bytes:
    return hashlib.sha256(prefix(label) + b"".join(len(part).to_bytes(8, "big") + part for part in parts)).digest()


def derive(data_key: bytes, salt: bytes, purpose: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt, prefix("derive") + purpose).derive(data_key)


def check(condition: bool, reason: str) -> None:
    if not condition:
        raise Refused(reason)


def read_exactly(file, length: int) -> bytes:
    data = file.read(length)
    check(len(data) == length, "the file is cut short")
    return data


def read_part(file, limit: int) -> bytes:
    length = int.from_bytes(read_exactly(file, 4), "big")
    check(length <= limit, "a part is too long")
    return read_exactly(file, length)


def is_digest(value) -> bool:
    return isinstance(value, bytes) and len(value) == 32


def is_number(value, number: int) -> bool:
    return type(value) is int and value == number  # True == 1 in Python


def read_head(file):
    """Returns (block, core, core bytes), checked in form."""
    check(read_exactly(file, 8) == MAGIC, "not a sealed object")
    block = cbor.loads(read_part(file, MAX_BLOCK), depth=3)
    core_bytes = read_part(file, MAX_CORE)
    core = cbor.loads(core_bytes, depth=1)
    check(isinstance(core, list) and len(core) == 6, "malformed core")
    check(all(map(is_number, (core[0], core[1], core[4]), (1, 1, SEGMENT))), "unknown kind of core")
    check(is_digest(core[2]) and is_digest(core[3]) and isinstance(core[5], bytes), "malformed core")
    check(isinstance(block, list) and len(block) == 5, "malformed stanza block")
    check(is_number(block[0], 1) and (block[3] is None or isinstance(block[3], bytes)), "unknown kind of stanza block")
    check(is_digest(block[4]) and isinstance(block[2], list) and 1 <= len(block[2]) <= 128, "malformed stanza block")
    check(block[1] == labelled_hash("object-core", core_bytes), "the stanzas belong to another object")
    return block, core, core_bytes


def unwrap(block, core, key: X25519PrivateKey) -> bytes:
    """Finds our stanza, opens it, and checks commitment and mac."""
    key_id = labelled_hash("key-id", X25519.to_bytes(2, "big"), key.public_key().public_bytes_raw())
    ours = [stanza for stanza in block[2] if len(stanza) == 5 and is_number(stanza[0], 0) and stanza[1] == key_id]
    check(bool(ours), "not sealed to this key")
    _, _, suite_id, enc, ciphertext = ours[0]
    check(is_number(suite_id, X25519) and len(enc) == 32 and len(ciphertext) == 48, "malformed stanza")
    suite = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
    data_key = suite.decrypt(enc + ciphertext, key, prefix("wrap") + b"object" + block[1])
    commitment = derive(data_key, core[2], b"commitment")
    check(len(data_key) == 32 and hmac.compare_digest(commitment, core[3]), "the data key is not the one committed to")
    authenticated = labelled_hash("stanzas", cbor.dumps(block[:4]))
    mac = hmac.digest(derive(data_key, core[2], b"stanzas"), authenticated, "sha256")
    check(hmac.compare_digest(mac, block[4]), "the stanzas are not authentic")
    if block[3] is not None:
        check(len(block[3]) == 205, "malformed escrow wrap")
        again = check_escrow.seal(check_escrow.decode(block[3][3:35]), block[1], data_key)
        check(hmac.compare_digest(again, block[3]), "the escrow wrap is not that of the data key")
    return data_key


def merkle_root(leaves: list) -> bytes:
    """RFC 9162 §2.1.1."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + merkle_root(leaves[:split]) + merkle_root(leaves[split:])).digest()


def open_sealed(file, out, key: X25519PrivateKey, root: bytes | None) -> bytes:
    """Writes the plaintext to `out` and returns the root."""
    block, core, core_bytes = read_head(file)
    segments = AESGCM(derive(unwrap(block, core, key), core[2], b"segments"))
    leaves = [hashlib.sha256(b"\x00" + core_bytes).digest()]
    index, segment = 0, file.read(SEGMENT + TAG)
    while True:
        ahead = file.read(SEGMENT + TAG)
        last = not ahead
        check(len(segment) >= TAG and (index == 0 or len(segment) > TAG), "the last segment is too short")
        out.write(segments.decrypt(index.to_bytes(11, "big") + bytes([last]), segment, block[1]))
        leaves.append(hashlib.sha256(b"\x00" + segment).digest())
        if last:
            break
        index, segment = index + 1, ahead
    found = merkle_root(leaves)
    check(root is None or found == root, f"the root is {found.hex()}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Open a sealed object with an X25519 private key.")
    parser.add_argument("--key", required=True, help="file with the 32-byte private key in hexadecimal")
    parser.add_argument("--root", type=bytes.fromhex, help="the root that the ledger states for the object")
    parser.add_argument("input")
    parser.add_argument("output")
    arguments = parser.parse_args()
    with open(arguments.key, encoding="ascii") as file:
        key = X25519PrivateKey.from_private_bytes(bytes.fromhex(file.read().strip()))
    partial = arguments.output + ".partial"
    try:
        with open(arguments.input, "rb") as file, open(partial, "wb") as out:
            root = open_sealed(file, out, key, arguments.root)
        os.replace(partial, arguments.output)
    except (Refused, cbor.NotCanonical, InvalidTag, ValueError, TypeError) as error:
        os.unlink(partial)
        print(f"refused: {error or 'a ciphertext does not authenticate'}", file=sys.stderr)
        return 1
    print(root.hex())
    return 0


if __name__ == "__main__":
    sys.exit(main())
