"""How many frames an MP3 holds, and how many its header promises. The decoder believes the header, or guesses where there
is none, and says nothing of what it leaves out."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import IO

_KBITS = {  # of layer III; index 0 is free and 15 forbidden
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


@dataclass(frozen=True, slots=True)
class Frames:
    """counted: whole frames of sound; promised: by a Xing header, None without one; each: samples of a frame; ended: at the
    end of the file, not where something else than a frame stands."""

    counted: int
    promised: int | None
    each: int
    ended: bool


def frames(file: IO[bytes]) -> Frames | None:
    """By going from header to header; None where no frame comes first. Leaves the file where it was."""
    before = file.tell()
    try:
        return _counted(file)
    finally:
        file.seek(before)


def _counted(file: IO[bytes]) -> Frames | None:
    end = file.seek(0, io.SEEK_END)
    at = _past_tags(file, 0)
    first = _frame(_read(file, at, 4))
    if first is None:
        return None
    length, each, wide = first
    promised = _promised(_read(file, at, min(length, 64)), wide)
    count = 0 if promised is None else -1  # the header is a frame without sound
    while at + length <= end:
        count, at = count + 1, _past_tags(file, at + length)
        header = _read(file, at, 4)
        found = _frame(header)
        if found is None:
            return Frames(count, promised, each, len(header) < 4)
        length = found[0]
    return Frames(count, promised, each, True)


def _read(file: IO[bytes], at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)


def _past_tags(file: IO[bytes], at: int) -> int:
    while True:
        head = _read(file, at, 10)
        if head.startswith(b"TAG"):
            at += 128
        elif head.startswith(b"ID3") and len(head) == 10:
            size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:], (21, 14, 7, 0), strict=True))
            at += 10 + size + (10 if head[5] & 0x10 else 0)
        else:
            return at


def _frame(header: bytes) -> tuple[int, int, int] | None:
    """(bytes, samples, bytes of side information) of the frame of layer III that begins so."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return None
    version, kbits, rate = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or kbits in (0, 15) or rate == 3:
        return None
    first, mono = version == 3, header[3] >> 6 == 3
    each = 1152 if first else 576
    length = each // 8 * _KBITS[first][kbits] * 1000 // _RATES[version][rate] + (header[2] >> 1 & 1)
    side = (17 if mono else 32) if first else (9 if mono else 17)
    return length, each, side


def _promised(frame: bytes, side: int) -> int | None:
    mark = frame[4 + side : 16 + side]
    if mark[:4] not in (b"Xing", b"Info") or len(mark) < 12 or not mark[7] & 1:
        return None
    return int.from_bytes(mark[8:12], "big")
