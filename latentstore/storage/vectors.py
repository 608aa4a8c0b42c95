"""The vectors of a space: append-only files, memory-mapped, each slot with a checksum of its own.

    vectors-<g>.f32   (n, dim) float32, row-major
    rows-<g>.i64      slot → row, strictly increasing
    sums-<g>.u64      xxh3_64 of a slot's bytes, seeded with its row

Only the catalog knows how many slots are committed; bytes past them are a crash's leftovers. A slot is held against
its checksum when it is first read, so a flipped bit is an error and never a wrong neighbour.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from latentstore.errors import Corrupted
from latentstore.fileio import refused, storage_errors, sync_folder, sync_together, write_at
from latentstore.types import Bool, Float32, Int64, UInt64


def slot_sums(vectors: Float32, rows: Int64) -> UInt64:
    """(n,) uint64: the checksum of each of the (n, dim) vectors, bound to its row."""
    if not len(vectors):
        return np.empty(0, dtype=np.uint64)
    width = vectors.shape[1] * 4
    data = np.ascontiguousarray(vectors).data.cast("B")
    digest = xxhash.xxh3_64_intdigest
    starts = range(0, len(vectors) * width, width)
    sums = [digest(data[at : at + width], row) for at, row in zip(starts, rows.tolist(), strict=True)]
    return np.array(sums, dtype=np.uint64)


def batch_sum(sums: UInt64) -> int:
    """The checksum of a batch: over its slots' checksums, so that a batch can be extended without reading vectors."""
    return xxhash.xxh3_64_intdigest(np.ascontiguousarray(sums).data)


@dataclass(frozen=True)
class SlotFiles:
    """Where one generation of a space's vectors lives."""

    folder: Path
    generation: int
    dim: int

    @property
    def vectors(self) -> Path:
        return self.folder / f"vectors-{self.generation}.f32"

    @property
    def rows(self) -> Path:
        return self.folder / f"rows-{self.generation}.i64"

    @property
    def sums(self) -> Path:
        return self.folder / f"sums-{self.generation}.u64"

    def widths(self) -> list[tuple[Path, int]]:
        """Each file with its bytes per slot."""
        return [(self.vectors, 4 * self.dim), (self.rows, 8), (self.sums, 8)]

    def intact_slots(self) -> int:
        """How many whole slots the files hold, all three together; 0 where one is missing."""
        return min(path.stat().st_size // width if path.exists() else 0 for path, width in self.widths())

    def cut(self, slots: int) -> None:
        """Drop what a crash left past the committed length."""
        for path, width in self.widths():
            if path.exists() and path.stat().st_size > slots * width:
                with storage_errors(path):
                    os.truncate(path, slots * width)


class SlotWriter:
    """Appends to the three files of one generation. Nothing it writes counts before the catalog says so."""

    def __init__(self, files: SlotFiles) -> None:
        self.files = files
        with storage_errors(files.folder):
            files.folder.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT
            self._fds = [os.open(path, flags, 0o666) for path, _ in files.widths()]
            sync_folder(files.folder)

    def append(self, first: int, vectors: Float32, rows: Int64) -> UInt64:
        """Write slots first..first+n. Returns their checksums (n,) uint64. Not yet durable."""
        sums = slot_sums(vectors, rows)
        for (path, width), fd, values in zip(self.files.widths(), self._fds, (vectors, rows, sums), strict=True):
            with storage_errors(path):
                write_at(fd, np.ascontiguousarray(values).data, first * width)
        return sums

    @property
    def handles(self) -> list[tuple[Path, int]]:
        """The open files, for `sync_together`."""
        return [(path, fd) for (path, _), fd in zip(self.files.widths(), self._fds, strict=True)]

    def close(self) -> None:
        for fd in self._fds:
            os.close(fd)
        self._fds = []


class VectorView:
    """The first n slots of a generation, read-only and unchanging. Safe for any number of threads."""

    def __init__(self, files: SlotFiles, slots: int, earlier: VectorView | None = None) -> None:
        self.files = files
        self.n = slots
        self.dim = files.dim
        self._vectors: Float32 = _map(files.vectors, np.float32, slots, files.dim).reshape(slots, files.dim)
        self.rows: Int64 = _map(files.rows, np.int64, slots, 1)
        self.sums: UInt64 = _map(files.sums, np.uint64, slots, 1)
        self._checked: Bool = np.zeros(slots, dtype=np.bool_)
        self._all_checked = False
        if earlier is not None and earlier.files == files:
            self._checked[: earlier.n] = earlier._checked
        # Rows grow with slots, so first and last tell whether row minus slot is constant.
        self._shift = int(self.rows[0]) if slots and int(self.rows[-1]) - int(self.rows[0]) == slots - 1 else None

    def gather(self, slots: Int64) -> Float32:
        """(m, dim) float32 copy of the vectors in the given slots. Raises Corrupted when one is not as written."""
        if not self._all_checked:
            known = self._checked.take(slots)
            if np.count_nonzero(known) < len(slots):
                self._check(_without_repeats(slots[~known]))
        return self._vectors.take(slots, axis=0)

    def block(self, start: int, stop: int) -> Float32:
        """(stop - start, dim) float32, read-only, no copy. Raises Corrupted when a slot is not as written."""
        if not self._all_checked and not self._checked[start:stop].all():
            self._check(np.arange(start, min(stop, self.n)))
            self._all_checked = bool(self._checked.all())
        return self._vectors[start:stop]

    def slots_of(self, rows: Int64) -> Int64:
        """(m,) int64: the slot of each row, -1 where this space has no vector for it. rows: (m,) int64."""
        if not self.n:
            return np.full(len(rows), -1, dtype=np.int64)
        if self._shift is not None:
            slots = rows - self._shift
            inside = (slots >= 0) & (slots < self.n)
        else:
            slots = np.searchsorted(self.rows, rows)
            inside = (slots < self.n) & (self.rows[np.minimum(slots, self.n - 1)] == rows)
        return np.where(inside, slots, -1)

    def damaged(self, start: int, stop: int) -> Int64:
        """The slots in start..stop whose bytes are not what was written."""
        found = slot_sums(self._vectors[start:stop], self.rows[start:stop])
        return np.flatnonzero(found != self.sums[start:stop]) + start

    def _check(self, slots: Int64) -> None:
        found = slot_sums(self._vectors[slots], self.rows[slots])
        bad = slots[found != self.sums[slots]]
        if bad.size:
            raise Corrupted(
                f"{self.files.vectors}: {bad.size} vector(s) differ from their checksum, the first in slot {bad[0]}; "
                "run 'latentstore verify' to see all, 'latentstore repair' to mend what can be mended"
            )
        self._checked[slots] = True


def _without_repeats(slots: Int64) -> Int64:
    # As np.unique does, which imports numpy.ma when it is first called: a tenth of a first search.
    ordered: Int64 = np.sort(slots)
    kept: Int64 = ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])]
    return kept


def _map(path: Path, kind: Any, slots: int, width: int) -> Any:
    if not slots:
        return np.empty(0, dtype=kind)
    try:
        # A plain array over the map: np.memmap's own type makes every index five times slower.
        return np.asarray(np.memmap(path, dtype=kind, mode="r", shape=(slots * width,)))
    except (OSError, ValueError) as error:
        raise refused(path, str(error)) or Corrupted(
            f"{path} is missing or shorter than the {slots} committed slots: {error}; "
            "run 'latentstore repair' to mend what can be mended"
        ) from error


def copy_slots(view: VectorView, slots: Int64, writer: SlotWriter, first: int) -> list[UInt64]:
    """Append the given slots of `view` to another generation, a few megabytes at a time, durably. Returns their checksums."""
    sums = [writer.append(first + at, *chunk) for at, chunk in _chunks(view, slots)]
    sync_together(writer.handles)
    return sums


def _chunks(view: VectorView, slots: Int64) -> Iterable[tuple[int, tuple[Float32, Int64]]]:
    step = max(1, (16 << 20) // (4 * view.dim))
    for at in range(0, len(slots), step):
        part = slots[at : at + step]
        yield at, (view.gather(part), view.rows[part])
