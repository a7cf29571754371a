#!/usr/bin/env python3
"""Reads a consortium file (docs/spec/consortium.md) and prints its fingerprint. Independent of the Rust code.

    python3 interop/fingerprint.py FILE
"""

import re
import sys
import tomllib
import unicodedata

import cbor
from strict import ML_DSA_KEY, Refused, check, labelled_hash, unbase64

NAME, HEX, TITLE = re.compile(r"[a-z0-9.-]{1,64}"), re.compile(r"[0-9a-f]{64}"), re.compile(r".{1,64}", re.DOTALL)
NUMBER, LIMIT = range(1 << 63), 4 << 20
BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
# Tables with exactly these keys; (x, least, most) is a list of so many x.
PLAIN = {"name": NAME, "key": HEX}
VALIDATOR = PLAIN | {"ml_dsa_65": HEX}
EPOCH = {"number": NUMBER, "start": NUMBER, "validators": (VALIDATOR, 1, 128)}
ORACLES = {"epoch": NUMBER, "threshold": range(1, 129), "participants": (NAME, 1, 128), "key": HEX}
FORM = {"format": re.compile("sottovoce-consortium/v1"), "name": TITLE, "chain": HEX, "epochs": (EPOCH, 1, 1024),
        "oracles": (ORACLES, 0, 1024), "ml_dsa_65": (BASE64, 0, 128 << 10)}
# Keys that may be absent, and are then read as this.
ABSENT = {"oracles": [], "ml_dsa_65": []}


def listed(value, form, what: str):
    """`value` if it has the form: tables as lists in the order of the form, hexadecimal as bytes."""
    if isinstance(form, dict):
        if form is VALIDATOR and isinstance(value, dict) and "ml_dsa_65" not in value:
            form = PLAIN
        check(isinstance(value, dict) and set(value) == set(form), f"{what} has not exactly the keys {', '.join(form)}")
        return [listed(value[key], part, key) for key, part in form.items()]
    if isinstance(form, tuple):
        check(isinstance(value, list) and form[1] <= len(value) <= form[2], f"{what} is no list of {form[1]} to {form[2]}")
        return [listed(item, form[0], what) for item in value]
    if isinstance(form, range):
        check(type(value) is int and value in form, f"{what} is no number in bounds")
        return value
    check(isinstance(value, str) and form.fullmatch(value) is not None, f"{what} is malformed")
    return bytes.fromhex(value) if form is HEX else value


def with_keys(epochs: list, listed_keys: list) -> None:
    """Puts each ML-DSA key, which stands in the file once, in the place of the identifiers that name it."""
    keys = {}
    for text in listed_keys:
        key = unbase64(text, "an ML-DSA key")
        identity = labelled_hash("ml-dsa-key", key)
        check(len(key) == ML_DSA_KEY and identity not in keys, "an ML-DSA key is not of its length, or stands there twice")
        keys[identity] = key
    used = set()
    for number, _, validators in epochs:
        check(len({len(validator) for validator in validators}) == 1, f"in epoch {number} some have ML-DSA keys and some none")
        for validator in validators:
            for identity in validator[2:]:
                check(identity in keys, "a validator's ML-DSA key is not in the file")
                used.add(identity)
                validator[2] = keys[identity]
    check(len(used) == len(keys), "an ML-DSA key in the file is no validator's")


def read(path: str) -> list:
    """[format, name, chain, epochs, oracles]: what the fingerprint covers. A validator is [name, key] or [name, key, ML-DSA key]."""
    with open(path, "rb") as file:
        data = file.read(LIMIT + 1)
    check(len(data) <= LIMIT, "the consortium file is too long")
    try:
        value = ABSENT | tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise Refused(f"the consortium file is not TOML: {error}") from error
    *content, keys = listed(value, FORM, "the consortium file")
    _, name, _, epochs, oracles = content
    with_keys(epochs, keys)
    check(len(name.encode()) <= 64 and all(unicodedata.category(c) != "Cc" for c in name), "the name is malformed")
    check(all(threshold <= len(participants) for _, threshold, participants, _ in oracles), "a threshold above its group")
    for numbered in (epochs, oracles):
        check(all(a[0] < b[0] for a, b in zip(numbered, numbered[1:])), "epochs do not increase")
    check(all(a[1] <= b[1] for a, b in zip(epochs, epochs[1:])), "epochs begin out of order")
    groups = [group for _, _, validators in epochs for group in zip(*validators)] + [group for _, _, group, _ in oracles]
    check(all(len(set(group)) == len(group) for group in groups), "a name or key stands twice in a group")
    return content


def fingerprint(content: list) -> str:
    text = labelled_hash("consortium", cbor.dumps(content)).hex()
    return " ".join(text[at:at + 4] for at in range(0, 64, 4))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        print(fingerprint(read(sys.argv[1])))
    except (Refused, OSError) as error:
        sys.exit(f"refused: {error}")
