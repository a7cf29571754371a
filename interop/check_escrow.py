#!/usr/bin/env python3
"""Makes the escrow wraps of a vector file again (docs/spec/escrow.md) and opens them. Independent of the Rust code.

    python3 interop/check_escrow.py crates/crypto/tests/vectors/escrow.json

Needs Python 3.11 and nothing else. Slow and not constant in time: for checking, not for use.
"""

import hashlib
import hmac
import json
import sys

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)


def negative(x: int) -> bool:
    return x % P % 2 == 1


def magnitude(x: int) -> int:
    return -x % P if negative(x) else x % P


def sqrt_ratio(u: int, v: int) -> tuple[bool, int]:
    """RFC 9496, section 4.2."""
    r = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    check = v * r * r % P
    correct, flipped, flipped_i = check == u % P, check == -u % P, check == -u * SQRT_M1 % P
    if flipped or flipped_i:
        r = r * SQRT_M1 % P
    return correct or flipped, magnitude(r)


INVSQRT_A_MINUS_D = sqrt_ratio(1, -1 - D)[1]
SQRT_AD_MINUS_ONE = 25063068953384623474111414158702152701244531502492656460079210482610430750235
assert SQRT_AD_MINUS_ONE**2 % P == (-D - 1) % P

IDENTITY = (0, 1, 1, 0)


def add(a, b):
    (x1, y1, z1, t1), (x2, y2, z2, t2) = a, b
    m, n = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    c, d = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    e, f, g, h = n - m, d - c, d + c, n + m
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(scalar: int, point):
    total = IDENTITY
    for bit in bin(scalar % ORDER)[2:]:
        total = add(total, total)
        if bit == "1":
            total = add(total, point)
    return total


BASE_Y = 4 * pow(5, -1, P) % P
BASE_X = magnitude(sqrt_ratio(BASE_Y**2 - 1, D * BASE_Y**2 + 1)[1])
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def encode(point) -> bytes:
    """RFC 9496, section 4.3.2."""
    x0, y0, z0, t0 = point
    u1, u2 = (z0 + y0) * (z0 - y0) % P, x0 * y0 % P
    _, invsqrt = sqrt_ratio(1, u1 * u2 * u2)
    den1, den2 = invsqrt * u1 % P, invsqrt * u2 % P
    z_inv = den1 * den2 * t0 % P
    rotate = negative(t0 * z_inv)
    x = y0 * SQRT_M1 % P if rotate else x0
    y = x0 * SQRT_M1 % P if rotate else y0
    den_inv = den1 * INVSQRT_A_MINUS_D % P if rotate else den2
    if negative(x * z_inv):
        y = -y % P
    return magnitude(den_inv * (z0 - y)).to_bytes(32, "little")


def decode(data: bytes):
    """RFC 9496, section 4.3.1."""
    s = int.from_bytes(data, "little")
    if len(data) != 32 or s >= P or negative(s):
        raise ValueError("no canonical element of the group")
    u1, u2 = (1 - s * s) % P, (1 + s * s) % P
    v = (-(D * u1 * u1) - u2 * u2) % P
    was_square, invsqrt = sqrt_ratio(1, v * u2 * u2)
    den_x, den_y = invsqrt * u2 % P, invsqrt * invsqrt * u2 * v % P
    x = magnitude(2 * s * den_x)
    y = u1 * den_y % P
    t = x * y % P
    if not was_square or negative(t) or y == 0:
        raise ValueError("no canonical element of the group")
    return x, y, 1, t


def one_way_map(half: bytes):
    """RFC 9496, section 4.3.4."""
    t = int.from_bytes(half, "little") % 2**255 % P
    r = SQRT_M1 * t * t % P
    u = (r + 1) * (1 - D * D) % P
    v = (-1 - r * D) * (r + D) % P
    was_square, s = sqrt_ratio(u, v)
    s_prime = -magnitude(s * t) % P
    s, c = (s, -1) if was_square else (s_prime, r)
    n = (c * (r - 1) * (D - 1) ** 2 - v) % P
    w0, w1 = 2 * s * v % P, n * SQRT_AD_MINUS_ONE % P
    w2, w3 = (1 - s * s) % P, (1 + s * s) % P
    return w0 * w3 % P, w2 * w1 % P, w1 * w3 % P, w0 * w2 % P


LABEL = b"sottovoce/v1/escrow"
PREFIX = bytes([len(LABEL)]) + LABEL


def labelled(*parts: bytes) -> bytes:
    return hashlib.sha256(PREFIX + b"".join(len(part).to_bytes(8, "big") + part for part in parts)).digest()


def wide(purpose: bytes, *parts: bytes) -> bytes:
    return labelled(purpose + b"\0", *parts) + labelled(purpose + b"\1", *parts)


def to_scalar(data: bytes) -> int:
    return int.from_bytes(data, "little") % ORDER


def hkdf(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    key = hmac.digest(salt, secret, "sha256")
    block, out = b"", b""
    for counter in range(1, length // 32 + 1):
        block = hmac.digest(key, block + info + bytes([counter]), "sha256")
        out += block
    return out


TWIN_BYTES = wide(b"generator")
TWIN = add(one_way_map(TWIN_BYTES[:32]), one_way_map(TWIN_BYTES[32:]))


def seal(key_point, label: bytes, data: bytes) -> bytes:
    key = encode(key_point)
    coins = hkdf(data, label, PREFIX + b"coins" + key, 128)
    r, s = to_scalar(coins[:64]), to_scalar(coins[64:])
    u, twin = encode(multiply(r, BASE)), encode(multiply(r, TWIN))
    pad = labelled(b"mask", key, label, u, encode(multiply(r, key_point)))
    masked = bytes(a ^ b for a, b in zip(data, pad))
    w, twin_w = encode(multiply(s, BASE)), encode(multiply(s, TWIN))
    e = to_scalar(wide(b"wrap", key, label, masked, u, w, twin, twin_w))
    f = (s + r * e) % ORDER
    fields = [key, masked, u, twin, e.to_bytes(32, "little"), f.to_bytes(32, "little")]
    return bytes([0x80 | len(fields)]) + b"".join(b"\x58\x20" + field for field in fields)


def make(secret: int, label: bytes, data: bytes) -> dict[str, str]:
    key = multiply(secret, BASE)
    values = {"secret": secret.to_bytes(32, "little"), "key": encode(key), "object": label, "data": data}
    return {name: value.hex() for name, value in (values | {"wrap": seal(key, label, data)}).items()}


def main(path: str) -> int:
    with open(path, encoding="utf-8") as file:
        vectors = json.load(file)
    if vectors["generator"] != encode(TWIN).hex():
        print("the second generator is another")
        return 1
    for vector in vectors["wraps"]:
        secret = int.from_bytes(bytes.fromhex(vector["secret"]), "little")
        again = make(secret, bytes.fromhex(vector["object"]), bytes.fromhex(vector["data"]))
        if again != vector:
            print(f"another wrap for object {vector['object']}")
            return 1
    print(f"{len(vectors['wraps'])} wraps hold")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
