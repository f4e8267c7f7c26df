"""XXH64 with seed 0, from its specification: PostgreSQL has no such function, nor has Python."""
import struct

P1, P2, P3, P4, P5 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63,
                      0x27D4EB2F165667C5)
MASK = 2**64 - 1


def rotated(x, by):
    return (x << by | x >> 64 - by) & MASK


def one_round(total, lane):
    return rotated((total + lane * P2) & MASK, 31) * P1 & MASK


def stripes(data):
    """The four sums over blocks of 32 bytes, as one, and the byte behind the last block."""
    sums, at = [(P1 + P2) & MASK, P2, 0, -P1 & MASK], 0
    while at + 32 <= len(data):
        sums = [one_round(total, lane) for total, lane in zip(sums, struct.unpack_from("<4Q", data, at))]
        at += 32
    total = sum(rotated(each, by) for each, by in zip(sums, (1, 7, 12, 18))) & MASK
    for each in sums:
        total = ((total ^ one_round(0, each)) * P1 + P4) & MASK
    return total, at


def xxh64(text):
    """Of a string's UTF-8 or of bytes, as the integer of 64 bits with a sign that has the same bits."""
    if text is None:
        return None
    data = text.encode() if isinstance(text, str) else text
    total, at = stripes(data) if len(data) >= 32 else (P5, 0)
    total = (total + len(data)) & MASK
    while at + 8 <= len(data):
        total ^= one_round(0, struct.unpack_from("<Q", data, at)[0])
        total, at = (rotated(total, 27) * P1 + P4) & MASK, at + 8
    if at + 4 <= len(data):
        total ^= struct.unpack_from("<I", data, at)[0] * P1 & MASK
        total, at = (rotated(total, 23) * P2 + P3) & MASK, at + 4
    for byte in data[at:]:
        total = rotated(total ^ byte * P5 & MASK, 11) * P1 & MASK
    total = (total ^ total >> 33) * P2 & MASK
    total = (total ^ total >> 29) * P3 & MASK
    total ^= total >> 32
    return total - 2**64 if total >> 63 else total
