"""Mending a space: what its files still hold for certain, what can be encoded anew, and what is lost.

Each slot is vouched for by its checksum, which is bound to its row; so a row number that was lost is found again by
trying the rows that fit, and a checksum that was lost by that of its batch. The mended space is a new generation.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latentstore.encoders import registry
from latentstore.encoders.base import Encoder
from latentstore.engine.core import model_folder
from latentstore.engine.origins import within
from latentstore.errors import LatentstoreError
from latentstore.fileio import sync_together
from latentstore.storage.catalog import BatchRow, Catalog, State
from latentstore.storage.columns import MODALITY
from latentstore.storage.spaces import SpaceRow
from latentstore.storage.vectors import SlotFiles, SlotWriter, batch_sum, slot_sums
from latentstore.types import Bool, Float32, Int64, Modality, Report, UInt64

_STEP = 8192  # slots read, or texts encoded, at a time
_TRIES = 1024  # rows tried for a slot that has lost its own
_BATCH = 65_536  # slots under one checksum


@dataclass
class Remains:
    """What is left of n slots. `good`: the slots whose vector, row and checksum agree. Arrays are padded where files end early."""

    n: int
    vectors: Float32  # as many whole ones as there are
    rows: Int64  # (n,), -1 where the file ends early
    sums: UInt64  # (n,)
    good: Bool  # (n,)

    @property
    def whole(self) -> bool:
        return bool(self.good.all())


@dataclass
class Mended:
    """A space as it can be: vectors by row, in two parts, and the rows whose vectors are gone for good."""

    kept: Int64  # slots
    encoded_rows: Int64
    encoded: Float32
    lost: Int64
    bare: Int64  # rows that lost their vector here and have one in another space


def mend_space(folder: Path, catalog: Catalog, space: SpaceRow, report: Report, *, trusted: bool = True) -> None:
    """Make one space whole; the rows whose vectors are lost are deleted and their ids reported.

    trusted: the catalog's lengths and batch checksums hold; otherwise the files alone say what there is.
    """
    state = catalog.state()
    live = catalog.live_rows()
    home = folder / "spaces" / space.name
    if not trusted:
        space = _best_generation(home, space, live)
    if space.latent:
        _mend_latent(home, catalog, state, space, report, trusted)
        return
    if space.dim is None or (trusted and not space.slots):
        return
    files = SlotFiles(home, space.generation, space.dim)
    remains = look(files, space.slots if trusted else None)
    untouched = remains.whole and _ascend(remains.rows)
    if trusted:
        _hold_against(remains, catalog.batches(space.name))
        if untouched and remains.whole:
            return
    _find_rows(remains, live)
    mended = _sorted_out(catalog, state, space, remains, live)
    gone = _tell(catalog, state, space, mended, report)
    _write(catalog, state, space, remains, mended, gone)


def _mend_latent(home: Path, catalog: Catalog, state: State, space: SpaceRow, report: Report, trusted: bool) -> None:
    """Keep what stands before the first damage: no item depends on a latent, and a space that is cut short is one that lags."""
    assert space.dim is not None
    remains = look(SlotFiles(home, space.generation, space.dim), space.slots if trusted else None)
    untouched = remains.whole and _ascend(remains.rows)
    if trusted:
        _hold_against(remains, catalog.batches(space.name))
    if not (trusted and untouched and remains.whole):
        live = catalog.live_rows()
        _find_rows(remains, live)
        sound = remains.good.copy()
        sound[1:] &= np.diff(remains.rows) > 0
        stop = remains.n if sound.all() else int(sound.argmin())
        kept = np.flatnonzero(np.isin(remains.rows[:stop], live))
        upto = int(remains.rows[stop - 1]) if stop else -1
        empty = np.empty((0, space.dim), np.float32)
        _write(catalog, state, space, remains, Mended(kept, kept[:0], empty, kept[:0], kept[:0]), [], upto)
        rest = (
            "" if stop == remains.n else f", {remains.n - stop} cut off with what is damaged; backfill makes them anew"
        )
        report.mended.append(f"space {space.name!r}: {len(kept)} vectors kept{rest}")
        space = space._replace(slots=len(kept))
    if not space.slots and not any((model_folder(home)).glob("*")):
        _forget(catalog, state, space, report)


def _forget(catalog: Catalog, state: State, space: SpaceRow, report: Report) -> None:
    """A latent space of which neither vectors nor a model are left. Another version takes its place where there is one."""
    others = [other for other in state.spaces if other.latent and other.base == space.base and other.name != space.name]
    seq = catalog.state().seq + 1
    with catalog.transaction() as tx:
        tx.drop_space(space.name)
        if space.active and others:
            newest = max(others, key=lambda other: other.version or 0)
            tx.activate(newest.name, [other.name for other in others if other is not newest])
        tx.set_state(seq=seq)
    report.mended.append(f"space {space.name!r}: nothing of it was left, and it is gone; fit it again")


def knows(catalog: Catalog, space: SpaceRow) -> bool:
    """Whether any vector of the space is one that the catalog vouches for; it may be another collection's catalog."""
    if space.dim is None or not space.slots:
        return False
    remains = look(SlotFiles(catalog.path.parent / "spaces" / space.name, space.generation, space.dim), space.slots)
    _hold_against(remains, catalog.batches(space.name))
    return bool(remains.good.any())


def look(files: SlotFiles, slots: int | None) -> Remains:
    """Read what is left. slots: how many there should be; None takes as many as the longest file has."""
    held = [path.stat().st_size // width if path.exists() else 0 for path, width in files.widths()]
    n = max(held) if slots is None else slots
    vectors = np.memmap(files.vectors, np.float32, "r", shape=(held[0], files.dim)) if held[0] else None
    whole = np.empty((0, files.dim), np.float32) if vectors is None else np.asarray(vectors)[:n]
    rows = np.full(n, -1, np.int64)
    sums = np.zeros(n, np.uint64)
    for path, array in ((files.rows, rows), (files.sums, sums)):
        if path.exists():
            found = np.fromfile(path, array.dtype, min(n, path.stat().st_size // 8))
            array[: len(found)] = found
    remains = Remains(n, whole, rows, sums, np.zeros(n, np.bool_))
    m = min(n, *held)
    for at in range(0, m, _STEP):
        stop = min(at + _STEP, m)
        remains.good[at:stop] = _sums(remains, np.arange(at, stop)) == sums[at:stop]
    return remains


def _sums(remains: Remains, slots: Int64) -> UInt64:
    # A damaged row may not fit the seed of a checksum; it cannot be right either way.
    return slot_sums(remains.vectors[slots], np.maximum(remains.rows[slots], 0))


def _ascend(rows: Int64) -> bool:
    return bool((np.diff(rows) > 0).all())


def _hold_against(remains: Remains, batches: Sequence[BatchRow]) -> None:
    """Checksums made anew hold where that of their batch then does; sound files of another collection do not."""
    for batch in batches:
        slots = np.arange(batch.first, min(batch.first + batch.slots, remains.n))
        bad = slots[~remains.good[slots]]
        if bad.size and (bad[-1] >= len(remains.vectors) or (remains.rows[bad] < 0).any()):
            continue
        anew = remains.sums[slots]
        anew[bad - batch.first] = _sums(remains, bad)
        if batch_sum(anew) == batch.checksum:
            remains.sums[slots] = anew
            remains.good[slots] = True
        elif not bad.size:
            remains.good[slots] = False


def _find_rows(remains: Remains, live: Int64) -> None:
    """Give slots back the rows they have lost: rows ascend, and only the right one fits the checksum."""
    last = -1
    for slot in range(len(remains.vectors)):
        if not remains.good[slot]:
            start = int(np.searchsorted(live, last, side="right"))
            row = _fitting(remains.vectors[slot], remains.sums[slot], live[start : start + _TRIES])
            if row is not None:
                remains.rows[slot], remains.good[slot] = row, True
        if remains.good[slot]:
            last = int(remains.rows[slot])


def _fitting(vector: Float32, checksum: np.uint64, tries: Int64) -> int | None:
    for part in (tries[:4], tries[4:]):  # nearly always it is the very next
        same = np.tile(vector, (len(part), 1))
        fits = part[slot_sums(same, part) == checksum]
        if fits.size:
            return int(fits[0])
    return None


def _best_generation(home: Path, space: SpaceRow, live: Int64) -> SpaceRow:
    """The generation whose files hold most live rows: a compaction may have been under way."""
    best, most = space, -1
    for path in sorted(home.glob("vectors-*.f32"), key=_generation):
        dim = space.dim or guess_dim(SlotFiles(home, _generation(path), 1))
        if dim is None:
            continue
        files = SlotFiles(home, _generation(path), dim)
        remains = look(files, None)
        held = int(np.isin(remains.rows[remains.good], live).sum())
        if held >= most:
            best, most = space._replace(generation=files.generation, slots=remains.n, dim=dim), held
    return best


def _generation(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def guess_dim(files: SlotFiles) -> int | None:
    """The length of a vector, where nothing else tells it: the one under which the first slot fits its checksum."""
    with contextlib.suppress(OSError, ValueError):
        numbers = np.fromfile(files.vectors, np.float32, 65_536)
        row, checksum = np.fromfile(files.rows, np.int64, 1), np.fromfile(files.sums, np.uint64, 1)
        for dim in range(1, len(numbers) + 1):
            if slot_sums(numbers[None, :dim], row)[0] == checksum[0]:
                return dim
    return None


def _sorted_out(catalog: Catalog, state: State, space: SpaceRow, remains: Remains, live: Int64) -> Mended:
    slots = np.flatnonzero(remains.good & np.isin(remains.rows, live))
    _, first = np.unique(remains.rows[slots], return_index=True)
    slots = slots[first]  # ascending by row
    encoder = _encoder(space)
    texts = _texts(catalog, state, encoder)
    expected = np.array(list(texts), np.int64) if encoder is not None or _alone(state) else live[:0]
    missing = _missing(state, space, remains, live, slots, expected)
    anew = [row for row in missing.tolist() if encoder is not None and row in texts]
    dim = remains.vectors.shape[1]
    parts = [
        encoder.encode([texts[row] for row in anew[at : at + _STEP]], role="document")
        for at in range(0, len(anew), _STEP)
        if encoder is not None
    ]
    encoded = np.concatenate(parts) if parts else np.empty((0, dim), np.float32)
    gone = np.setdiff1d(missing, anew)
    elsewhere = np.intersect1d(gone, _held_elsewhere(catalog, state, space)) if gone.size else gone
    return Mended(slots, np.array(anew, np.int64), encoded, np.setdiff1d(gone, elsewhere), elsewhere)


def _texts(catalog: Catalog, state: State, encoder: Encoder | None) -> dict[int, str]:
    """Row → what the encoder saw of an item, where that was its text. Without an encoder: every text."""
    seen = set() if encoder is None else {str(kind) for kind in encoder.modalities} - {Modality.TEXT}
    at = next((at for at, column in enumerate(state.columns) if column.name == MODALITY), None)
    return {
        record.row: record.text
        for record in catalog.records(state.columns)
        if record.text is not None and (at is None or record.values[at] not in seen)
    }


def _held_elsewhere(catalog: Catalog, state: State, space: SpaceRow) -> Int64:
    """The rows of which another space has a vector that can be read."""
    held, live = [np.empty(0, np.int64)], catalog.live_rows()
    for other in (other for other in state.spaces if not other.latent):
        home = catalog.path.parent / "spaces" / other.name
        found = other if other.name == space.name else _best_generation(home, other, live)
        if found.name != space.name and found.dim is not None:
            remains = look(SlotFiles(home, found.generation, found.dim), None)
            held.append(remains.rows[remains.good])
    return np.unique(np.concatenate(held))


def _missing(state: State, space: SpaceRow, remains: Remains, live: Int64, slots: Int64, expected: Int64) -> Int64:
    """Live rows that had a vector here, as far as can be known, and have none now. expected: rows of texts that had one."""
    had = [remains.rows[np.isin(remains.rows, live)]]
    if space.encoder is not None:
        had.append(np.intersect1d(live, expected))
    if _alone(state) and not remains.whole and space.encoder is None:
        had.append(live)
    return np.setdiff1d(np.concatenate(had), remains.rows[slots])


def _alone(state: State) -> bool:
    """Whether the collection has one space of its own."""
    return sum(not space.latent for space in state.spaces) == 1


def _encoder(space: SpaceRow) -> Encoder | None:
    """The encoder, if it is here and still the one that made the vectors (invariant 8)."""
    if space.encoder is None:
        return None
    try:
        encoder = registry.load(space.encoder)
        same = encoder.fingerprint == space.fingerprint and Modality.TEXT in encoder.modalities
    except LatentstoreError:
        return None
    return encoder if same else None


def _write(
    catalog: Catalog,
    state: State,
    space: SpaceRow,
    remains: Remains,
    mended: Mended,
    gone: Sequence[str],
    upto: int | None = None,
) -> None:
    """The new generation, then one commit that names it and deletes what is lost. gone: uris of sources to read again. upto: of a
    latent space, the last row that counts as offered to its model."""
    home = catalog.path.parent / "spaces" / space.name
    assert space.dim is not None
    highest = max((_generation(path) for path in home.glob("vectors-*.f32")), default=space.generation)
    files = SlotFiles(home, max(highest, space.generation) + 1, space.dim)
    rows = np.concatenate([remains.rows[mended.kept], mended.encoded_rows])
    order = np.argsort(rows, kind="stable")
    sums = []
    with contextlib.closing(SlotWriter(files)) as writer:
        for at in range(0, len(order), _STEP):
            part = order[at : at + _STEP]
            sums.append(writer.append(at, _gathered(remains, mended, part), rows[part]))
        sync_together(writer.handles)
    total = np.concatenate(sums) if sums else np.empty(0, np.uint64)
    with catalog.transaction() as tx:
        tx.drop_batches(space.name)
        for first in range(0, len(total), _BATCH):
            tx.add_batch(
                space.name, first, len(total[first : first + _BATCH]), batch_sum(total[first : first + _BATCH])
            )
        tx.set_space(space.name, dim=space.dim, generation=files.generation, slots=len(total))
        tx.set_index(None, space.name)
        if upto is not None:
            tx.follow({space.name: upto})
        if mended.lost.size:
            tx.delete(mended.lost)
            tx.forget_sources(gone)
        tx.set_state(seq=state.seq + 1)


def _gathered(remains: Remains, mended: Mended, part: Int64) -> Float32:
    kept = len(mended.kept)
    vectors = np.empty((len(part), remains.vectors.shape[1]), np.float32)
    old = part < kept
    vectors[old] = remains.vectors[mended.kept[part[old]]]
    vectors[~old] = mended.encoded[part[~old] - kept]
    return vectors


def _tell(catalog: Catalog, state: State, space: SpaceRow, mended: Mended, report: Report) -> list[str]:
    """Returns the uris of the sources that the lost items came from, and of the archives that these are in."""
    lost = set(mended.lost.tolist())
    records = [record for record in catalog.records(state.columns) if lost and record.row in lost]
    report.lost.extend(record.id for record in records)
    gone = f", {len(lost)} items removed whose vectors are lost" if lost else ""
    gone += f", {len(mended.bare)} items left without one here, which other spaces have" if mended.bare.size else ""
    report.mended.append(
        f"space {space.name!r}: {len(mended.kept)} vectors kept, {len(mended.encoded_rows)} encoded anew from their texts{gone}"
    )
    return list({uri for record in records if record.uri is not None for uri in within(record.uri)})
