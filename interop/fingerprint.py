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

NAME, HEX = re.compile(r"[a-z0-9.-]{1,64}"), re.compile(r"[0-9a-f]{64}")


def table(value, keys: str) -> list:
    """The values of a table that has exactly these keys."""
    check(isinstance(value, dict) and set(value) == set(keys.split()), f"a table has not exactly the keys {keys}")
    return [value[key] for key in keys.split()]


def array(value, least: int, most: int) -> list:
    check(isinstance(value, list) and least <= len(value) <= most, f"not a list of {least} to {most}")
    return value


def number(value, most: int = 2**63 - 1) -> int:
    check(type(value) is int and 0 <= value <= most, f"{value!r} is no number in bounds")
    return value


def name(value) -> str:
    check(isinstance(value, str) and NAME.fullmatch(value) is not None, f"{value!r} is no name")
    return value


def digest(value) -> bytes:
    check(isinstance(value, str) and HEX.fullmatch(value) is not None, f"{value!r} is not 64 lowercase hex digits")
    return bytes.fromhex(value)


def distinct(values: list) -> None:
    check(len(set(values)) == len(values), "a name or key stands twice in a group")


def increasing(values: list) -> None:
    check(all(a < b for a, b in zip(values, values[1:])), "epochs do not increase")


def epoch(value) -> list:
    count, validators = table(value, "number validators")
    validators = [table(validator, "name key") for validator in array(validators, 1, 128)]
    validators = [[name(who), digest(key)] for who, key in validators]
    for group in zip(*validators):
        distinct(group)
    return [number(count), validators]


def group(value) -> list:
    count, threshold, participants, key = table(value, "epoch threshold participants key")
    participants = [name(who) for who in array(participants, 1, 128)]
    distinct(participants)
    check(number(threshold, len(participants)) >= 1, "a threshold of zero")
    return [number(count), threshold, participants, digest(key)]


def read(path: str) -> list:
    """[format, name, chain, epochs, oracles], the content of the fingerprint."""
    with open(path, "rb") as file:
        data = file.read((4 << 20) + 1)
    check(len(data) <= 4 << 20, "the consortium file is too long")
    try:
        value = {"oracles": []} | tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise Refused(f"the consortium file is not TOML: {error}") from error
    form, title, chain, epochs, oracles = table(value, "format name chain epochs oracles")
    check(form == "sottovoce-consortium/v1", "not a consortium file")
    plain = isinstance(title, str) and all(unicodedata.category(character) != "Cc" for character in title)
    check(plain and 1 <= len(title.encode()) <= 64, "the consortium's name is out of bounds")
    epochs, oracles = [epoch(item) for item in array(epochs, 1, 1024)], [group(item) for item in array(oracles, 0, 1024)]
    for numbered in (epochs, oracles):
        increasing([item[0] for item in numbered])
    return [form, title, digest(chain), epochs, oracles]


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
