"""A strict reader and writer of canonical CBOR (docs/spec/wire.md).

Accepts exactly one encoding of each value: shortest heads, definite lengths, no floats, no tags, no simple values but
false, true and null, map keys ascending by their encoding. Everything else raises `NotCanonical`.
"""


class NotCanonical(ValueError):
    """The bytes are not the canonical encoding of any value."""


def loads(data: bytes, depth: int = 24):
    """Decodes one value that fills `data`; int, bytes, str, list, dict, bool or None."""
    value, end = _item(data, 0, depth)
    if end != len(data):
        raise NotCanonical(f"{len(data) - end} bytes follow the value")
    return value


def dumps(value) -> bytes:
    """Encodes int, bytes, str, list, tuple, dict, bool or None."""
    if value is None or isinstance(value, bool):
        return {False: b"\xf4", True: b"\xf5", None: b"\xf6"}[value]
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        text = value.encode()
        return _head(3, len(text)) + text
    if isinstance(value, (list, tuple)):
        return _head(4, len(value)) + b"".join(map(dumps, value))
    if isinstance(value, dict):
        pairs = sorted((dumps(key), dumps(item)) for key, item in value.items())
        return _head(5, len(pairs)) + b"".join(key + item for key, item in pairs)
    raise TypeError(f"{type(value).__name__} has no canonical encoding")


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << 8 * size:
            return bytes([major << 5 | info]) + argument.to_bytes(size, "big")
    raise OverflowError("integers have 64 bits at most")


def _item(data: bytes, at: int, depth: int):
    major, argument, at = _read_head(data, at)
    if major == 0:
        return argument, at
    if major == 1:
        return -1 - argument, at
    if major in (2, 3):
        end = at + argument
        if end > len(data):
            raise NotCanonical("a string is longer than the input")
        if major == 2:
            return data[at:end], end
        try:
            return data[at:end].decode(), end
        except UnicodeDecodeError as error:
            raise NotCanonical("a text is not UTF-8") from error
    if major in (4, 5):
        if depth == 0:
            raise NotCanonical("the input nests too deep")
        if argument * (major - 3) > len(data) - at:
            raise NotCanonical("an array or map is longer than the input")
        return (_array if major == 4 else _map)(data, at, argument, depth - 1)
    if major == 7 and argument in (20, 21, 22):
        return {20: False, 21: True, 22: None}[argument], at
    raise NotCanonical("a tag, float or unknown simple value")


def _array(data: bytes, at: int, length: int, depth: int):
    items = []
    for _ in range(length):
        item, at = _item(data, at, depth)
        items.append(item)
    return items, at


def _map(data: bytes, at: int, length: int, depth: int):
    items, previous = {}, b""
    for _ in range(length):
        start = at
        key, at = _item(data, at, depth)
        if data[start:at] <= previous:
            raise NotCanonical("map keys are not ascending")
        if isinstance(key, (list, dict)):
            raise NotCanonical("a map key is not a plain value")
        previous = data[start:at]
        items[key], at = _item(data, at, depth)
    return items, at


def _read_head(data: bytes, at: int):
    if at >= len(data):
        raise NotCanonical("the input ends in the middle of a value")
    major, info = data[at] >> 5, data[at] & 31
    at += 1
    if info < 24:
        return major, info, at
    if info > 27 or major == 7:
        raise NotCanonical("an indefinite length, float or reserved head")
    size = 1 << info - 24
    if at + size > len(data):
        raise NotCanonical("the input ends in the middle of a value")
    argument = int.from_bytes(data[at:at + size], "big")
    if argument < (24, 1 << 8, 1 << 16, 1 << 32)[info - 24]:
        raise NotCanonical("an integer is longer than needed")
    return major, argument, at + size
