"""Which slots are live, as packed bits: uint8, little bit order, zero past the last slot. Every function returns a new array."""

from __future__ import annotations

import numpy as np

from latentstore.types import Bool, Int64, UInt8


def pack(flags: Bool) -> UInt8:
    """(ceil(n / 8),) uint8 from (n,) bool."""
    return np.packbits(flags, bitorder="little")


def grown(bits: UInt8, old: int, new: int) -> UInt8:
    """The same bits with slots old..new set too."""
    result = np.zeros((new + 7) // 8, dtype=np.uint8)
    result[: len(bits)] = bits
    start = old // 8
    tail = np.unpackbits(result[start:], bitorder="little")
    tail[old - start * 8 : new - start * 8] = 1
    result[start:] = np.packbits(tail, bitorder="little")
    return result


def cleared(bits: UInt8, slots: Int64) -> UInt8:
    """The same bits without the given slots."""
    result = bits.copy()
    np.bitwise_and.at(result, slots >> 3, ~(np.uint8(1) << (slots & 7).astype(np.uint8)))
    return result


def count(bits: UInt8) -> int:
    return int(np.bitwise_count(bits).sum())


def indices(bits: UInt8, n: int) -> Int64:
    """(m,) int64, ascending: the slots that are set."""
    return np.flatnonzero(np.unpackbits(bits, count=n, bitorder="little"))


def test(bits: UInt8, slots: Int64) -> Bool:
    """(m,) bool: whether each slot is set."""
    found: Bool = (bits[slots >> 3] >> (slots & 7).astype(np.uint8)) & 1 == 1
    return found
