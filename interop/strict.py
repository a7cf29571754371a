"""What the readers of signed files share: refusals, shapes of CBOR values, labelled hashes, base64, strict Ed25519, ML-DSA-65.

Pages: docs/spec/wire.md, labels.md, keys.md.
"""

import base64
import binascii
import hashlib
from contextlib import suppress
from types import SimpleNamespace

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

import cbor

try:
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey
except ImportError:
    MLDSA65PublicKey = None


class Refused(Exception):
    """The input is not what it claims to be; the message says why."""


def check(condition: bool, reason: str) -> None:
    if not condition:
        raise Refused(reason)


class Either:
    """Any one of these shapes."""

    def __init__(self, *shapes):
        self.shapes = shapes


def shaped(value, shape, what: str):
    """Returns `value` if it has the shape, else refuses.

    Shapes: 32 is 32 bytes; int an unsigned integer, a set or range one of its integers; str, bytes, bool, None themselves; [x]
    any number of x; (x, y) an array of just these; {name: x} a struct, returned with its fields as attributes and its encoding
    as `cbor`; Either(x, y).
    """
    if isinstance(shape, Either):
        for one in shape.shapes:
            with suppress(Refused):
                return shaped(value, one, what)
    kind = type(value)  # not isinstance, since True is an int in Python
    fits = (kind is bytes and len(value) == shape if isinstance(shape, int)
            else kind is int and value in shape if isinstance(shape, (set, range))
            else kind is list if isinstance(shape, list)
            else kind is list and len(value) == len(shape) if isinstance(shape, (tuple, dict))
            else kind is int and value >= 0 if shape is int
            else value is None if shape is None
            else kind is shape)
    check(fits, f"{what} has not the form it should have")
    if isinstance(shape, list):
        return [shaped(item, shape[0], what) for item in value]
    if isinstance(shape, tuple):
        return tuple(shaped(item, part, what) for item, part in zip(value, shape))
    if isinstance(shape, dict):
        fields = {name: shaped(item, part, what) for item, (name, part) in zip(value, shape.items())}
        return SimpleNamespace(**fields, cbor=cbor.dumps(value))
    return value


def decoded(data: bytes, shape, what: str):
    """Reads canonical CBOR of a shape."""
    try:
        return shaped(cbor.loads(data), shape, what)
    except cbor.NotCanonical as error:
        raise Refused(f"{what} is not canonical CBOR: {error}") from error


def prefix(label: str) -> bytes:
    text = f"sottovoce/v1/{label}".encode()
    return bytes([len(text)]) + text


def labelled_hash(label: str, *parts: bytes) -> bytes:
    return hashlib.sha256(prefix(label) + b"".join(len(part).to_bytes(8, "big") + part for part in parts)).digest()


def unbase64(text: str, what: str) -> bytes:
    """RFC 4648 §4 with padding and zero trailing bits: the one spelling, so written again it is the same."""
    try:
        data = base64.b64decode(text.encode(), validate=True)
    except binascii.Error:
        data = None
    check(data is not None and base64.b64encode(data).decode() == text, f"{what} is not canonical base64")
    return data


# The curve of RFC 8032 §5.1: its field, the order of its base point, its constant d.
FIELD = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
CURVE_D = -121665 * pow(121666, -1, FIELD) % FIELD


def is_proper(point: bytes) -> bool:
    """Whether the encoding is canonical and not of small order (whether it is on the curve is not looked at).

    The points of order 1, 2, 4 have y = 1, -1, 0. One of order 8 doubles to y = 0, which is where x² = -y²; put into the
    curve's equation -x² + y² = 1 + d x² y² this is d y⁴ + 2 y² = 1.
    """
    y = int.from_bytes(point, "little") & (1 << 255) - 1
    return y < FIELD and y not in (0, 1, FIELD - 1) and (CURVE_D * y**4 + 2 * y**2 - 1) % FIELD != 0


def verify(key: bytes, message: bytes, signature: bytes, what: str) -> None:
    """Strict Ed25519 (keys.md).

    `cryptography` hands this to OpenSSL, which refuses S >= ORDER and keys that are no points, uses the equation without the
    cofactor, and compares R as bytes (so R is canonical). It accepts keys and R of small order, and keys in a second
    encoding. These are refused here, and S once more, so as not to depend on OpenSSL's version.
    """
    sound = is_proper(key) and is_proper(signature[:32]) and int.from_bytes(signature[32:], "little") < ORDER
    check(sound, f"{what}: a key or signature that strict Ed25519 refuses")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature as error:
        raise Refused(f"{what} does not verify") from error


ML_DSA_KEY, ML_DSA_SIGNATURE = 1952, 3309


def verify_ml_dsa(key: bytes, label: str, message: bytes, signature: bytes, what: str) -> None:
    """ML-DSA-65 (keys.md): pure, with an empty context, under a label.

    Where this Python cannot verify it, what depends on it is refused: half of what an epoch demands proves nothing.
    """
    able = "this Python cannot verify ML-DSA-65: install `cryptography` 48 or newer, with an OpenSSL that has it"
    check(MLDSA65PublicKey is not None, f"{what}: {able}")
    check(len(key) == ML_DSA_KEY and len(signature) == ML_DSA_SIGNATURE, f"{what} is not of its length")
    try:
        MLDSA65PublicKey.from_public_bytes(key).verify(signature, prefix(label) + message)
    except InvalidSignature as error:
        raise Refused(f"{what} does not verify") from error
    except UnsupportedAlgorithm as error:
        raise Refused(f"{what}: {able}") from error
