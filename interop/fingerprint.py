#!/usr/bin/env python3
"""Reads a consortium file (docs/spec/consortium.md) and prints its fingerprint. Independent of the Rust code.

    python3 interop/fingerprint.py FILE
"""

import re
import sys
import tomllib
import unicodedata

import cbor
from strict import Refused, check, labelled_hash

NAME, HEX, TITLE = re.compile(r"[a-z0-9.-]{1,64}"), re.compile(r"[0-9a-f]{64}"), re.compile(r".{1,64}", re.DOTALL)
NUMBER, LIMIT = range(1 << 63), 4 << 20
# Tables with exactly these keys; (x, least, most) is a list of so many x.
EPOCH = {"number": NUMBER, "start": NUMBER, "validators": ({"name": NAME, "key": HEX}, 1, 128)}
ORACLES = {"epoch": NUMBER, "threshold": range(1, 129), "participants": (NAME, 1, 128), "key": HEX}
FORM = {"format": re.compile("sottovoce-consortium/v1"), "name": TITLE, "chain": HEX, "epochs": (EPOCH, 1, 1024),
        "oracles": (ORACLES, 0, 1024)}


def listed(value, form, what: str):
    """`value` if it has the form: tables as lists in the order of the form, hexadecimal as bytes."""
    if isinstance(form, dict):
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


def read(path: str) -> list:
    """[format, name, chain, epochs, oracles]: what the fingerprint covers."""
    with open(path, "rb") as file:
        data = file.read(LIMIT + 1)
    check(len(data) <= LIMIT, "the consortium file is too long")
    try:
        value = {"oracles": []} | tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise Refused(f"the consortium file is not TOML: {error}") from error
    content = listed(value, FORM, "the consortium file")
    _, name, _, epochs, oracles = content
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
