"""Fitting: a model learns from the items of a space, and every item gets a place in a new space.

1. What the model sees of each item is read at one commit, and the model is trained, in `fits/<key>/` with checkpoints.
   Readers and writers go on. Crash: the checkpoints stay, and the same fit, asked again, goes on from the last one.
2. The model and the latents of all items are written to the folder of the new space and made durable, those that come meanwhile too;
   the last of them under the write lock. Crash: a folder that no catalog names; the next open removes it.
3. One transaction adds the space with its vectors. This is the commit.
4. A snapshot with the space is published, and the checkpoints are removed.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from latentstore.analysis.progress import Progress
from latentstore.engine import bits, outline, read
from latentstore.engine.core import FITS, INPUTS, Engine, model_folder
from latentstore.engine.latents import follow, inputs, models
from latentstore.engine.latents.lag import live_after
from latentstore.engine.snapshot import Snapshot, SpaceView
from latentstore.engine.write import committed
from latentstore.errors import InvalidInput, LatentstoreError, ReadOnlyStore, StoreClosed
from latentstore.fileio import storage_errors, sync_folder, sync_together
from latentstore.latent import fitting, forms
from latentstore.latent.base import Settings
from latentstore.latent.fitted import Fitted
from latentstore.latent.forms.base import Form
from latentstore.latent.rows import Rows
from latentstore.storage.columns import MODALITY
from latentstore.storage.spaces import LATENT, SpaceRow
from latentstore.storage.transaction import Transaction
from latentstore.storage.vectors import SlotFiles, SlotWriter, VectorView, batch_sum
from latentstore.types import Int64, Metric, Modality

SOURCES = ("image", "audio", "vectors")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,57}")
_BATCH = 65_536  # slots under one checksum
_SAMPLE = 256  # items by which the form of all is chosen
_FEW = 32  # items that may be encoded while others wait for the write lock


@dataclass(frozen=True)
class Asked:
    """A fit as it is asked for. name: None takes that of the kind with the dimension, such as "vae32". source: one of SOURCES; None
    takes content where it is at hand. where: which items to learn from; all get a place. size: of pictures, the side in pixels."""

    settings: Settings
    name: str | None = None
    source: str | None = None
    where: str | None = None
    size: int | None = None


def fit(engine: Engine, space: str, asked: Asked, progress: Progress) -> str:
    """The name of the new version. Raises InvalidInput where there is too little to learn from, TrainingFailed, ReadOnlyStore."""
    if engine.read_only:
        raise ReadOnlyStore(f"{engine.folder.parent} was opened with read_only=True; open it without to fit a space")
    if asked.name is not None:
        _check_name(engine.snapshot, asked.name)
    snapshot, view, allowed = read.moment(engine, space, asked.where)
    learnt = view.vectors.rows[view.all_live() if allowed is None else allowed.slots]
    sees = _sees(engine, snapshot, view, learnt, asked)
    job = _Job(engine, snapshot, view, sees, asked, progress)
    with job.trained(learnt) as model:
        base = asked.name or f"{model.kind}{model.dim}"
        _check_name(engine.snapshot, base)
        with _version(engine, base) as name:
            return _add(engine, name, view.row.name, sees, model, progress)


def _check_name(snapshot: Snapshot, name: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidInput(f"a space's name is letters, digits, '_' and '-', at most 58, got {name!r}")
    if name.casefold() in {view.row.name.casefold() for view in snapshot.own}:
        raise InvalidInput(f"space {name!r} is one of the collection's own; choose another name for the fitted one")


def _sees(engine: Engine, snapshot: Snapshot, view: SpaceView, rows: Int64, asked: Asked) -> str:
    """What of the items the model is to see: "image", "audio" or "vectors"."""
    if asked.source is not None and asked.source not in SOURCES:
        raise InvalidInput(f"source is one of {', '.join(SOURCES)}, got {asked.source!r}")
    if asked.source is not None or view.row.latent or MODALITY not in snapshot.names:
        return asked.source or "vectors"
    some = _some(rows)
    kinds = [snapshot.details(raw)[3].get(MODALITY) for raw in read.records(engine, snapshot, some)]
    for sees in (Modality.IMAGE, Modality.AUDIO):
        if kinds.count(sees) * 2 > len(kinds):
            seen = inputs.content(sees, list(inputs.stored(engine, snapshot, some[:32], sees)), asked.size or 0)
            return str(sees) if sum(one is not None for one in seen) * 2 > len(seen) else "vectors"
    return "vectors"


def _some(rows: Int64) -> Int64:
    """At most _SAMPLE of them, evenly spread."""
    return rows[np.linspace(0, len(rows) - 1, min(_SAMPLE, len(rows))).astype(np.int64)] if rows.size else rows


@dataclass(frozen=True)
class _Job:
    engine: Engine
    snapshot: Snapshot
    view: SpaceView
    sees: str
    asked: Asked
    progress: Progress

    @contextlib.contextmanager
    def trained(self, learnt: Int64) -> Iterator[Fitted]:
        """The model, while its checkpoints are kept: until the block has made a space of it, or it is clear that none will be."""
        with _scratch(self.engine) as scratch:
            form, rows, left_out = self._inputs(learnt, scratch)
            with _checkpoints(self.engine, self._key(form, rows)) as folder:
                model = fitting.fit(form, rows, self.asked.settings, checkpoints=folder, progress=self.progress)
                yield replace(model, record=self._told(model, left_out))

    def _told(self, model: Fitted, left_out: int) -> dict[str, Any]:
        about = {"made": time.time(), "source": self.sees, "of": self.view.row.name, "where": self.asked.where}
        return {**model.record, **about, "left_out": left_out}

    def _key(self, form: Form, rows: Rows) -> str:
        """Names what was asked and what is learnt from: a fit that was killed is known again by it."""
        asked = {"settings": asdict(self.asked.settings), "form": form.facts()}
        data = xxhash.xxh3_128(json.dumps(asked, sort_keys=True).encode())
        for start in range(0, len(rows), 4096):
            data.update(np.ascontiguousarray(rows.raw[start : start + 4096]).data)
        return sha256(data.digest()).hexdigest()[:16]

    def _inputs(self, learnt: Int64, scratch: Path) -> tuple[Form, Rows, int]:
        """The form, what the model sees of each item, and how many items show nothing."""
        if self.sees == "vectors":
            vectors: Any = inputs.vectors(self.snapshot, self.view.row.name, learnt)[1]
            form = forms.choose("vector", vectors, metric=self.view.row.metric)
            return form, Rows(form.rows(vectors), form.divisor), 0
        kind = {"image": "picture", "audio": "sound"}[self.sees]
        side = self.asked.size or 0
        sample = models.usable(kind, [one for one in self._content(_some(learnt), side) if one is not None])
        if not sample:
            raise InvalidInput(
                f"no {kind} of the items is at hand: neither kept with them nor in a file that is where it was; "
                "fit with source='vectors', or ingest again with the content kept"
            )
        options = {} if self.asked.size is None else {"side": self.asked.size}
        form = forms.choose(kind, sample, **options)
        del sample
        return form, *self._gathered(form, learnt, scratch)

    def _content(self, rows: Int64, side: int) -> list[Any]:
        return inputs.content(self.sees, list(inputs.stored(self.engine, self.snapshot, rows, self.sees)), side)

    def _gathered(self, form: Form, learnt: Int64, scratch: Path) -> tuple[Rows, int]:
        """Rows in a file that is mapped: pictures of many items need not fit into memory."""
        count = 0
        kind: Any = np.uint8
        with storage_errors(scratch), scratch.open("wb") as file:
            for at, part in enumerate(follow.parts(learnt)):
                self.progress("reading items", at * follow.STEP / len(learnt))
                seen = [one for one in self._content(part, getattr(form, "side", 0)) if one is not None]
                made = models.rows(form, seen)
                count, kind = count + len(made), made.dtype
                file.write(np.ascontiguousarray(made).data)
        raw = np.memmap(scratch, kind, "r", shape=(count, form.width)) if count else np.empty((0, form.width), kind)
        return Rows(raw, form.divisor), len(learnt) - count


@contextlib.contextmanager
def _scratch(engine: Engine) -> Iterator[Path]:
    """A file for what is learnt from, removed in the end."""
    path = engine.folder / FITS / f"{time.time_ns()}-{INPUTS}"
    with engine.unchanging(), storage_errors(path):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError, StoreClosed), engine.unchanging():
            path.parent.rmdir()


@contextlib.contextmanager
def _checkpoints(engine: Engine, key: str) -> Iterator[Path]:
    """A folder that outlives a crash, and nothing else."""
    with engine.unchanging():
        n = 1
        while (wanted := f"{key}-{n}") in engine.fitting:
            n += 1
        engine.fitting.add(wanted)
        _clear_others(engine)
        folder = engine.folder / FITS / wanted
        with storage_errors(folder):
            folder.mkdir(exist_ok=True)
    try:
        yield folder
        shutil.rmtree(folder, ignore_errors=True)
    except StoreClosed:
        raise
    except LatentstoreError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        engine.fitting.discard(wanted)


def _clear_others(engine: Engine) -> None:
    """Checkpoints of fits that were killed and not asked for again: another fit says that they will not be."""
    for folder in (engine.folder / FITS).glob("*-*"):
        if folder.is_dir() and folder.name not in engine.fitting:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _version(engine: Engine, base: str) -> Iterator[str]:
    """The next version's name, held for the block, and its folder, which is gone again where the block fails."""
    with engine.unchanging() as snapshot:
        taken = {*snapshot.spaces, *engine.fitting}
        n = 1 + max((int(one.rpartition("@")[2]) for one in taken if one.rpartition("@")[0] == base), default=0)
        name = f"{base}@{n}"
        engine.fitting.add(name)
    folder = engine.space_folder(name)
    try:
        with storage_errors(folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            sync_folder(folder.parent)
        yield name
    except BaseException:
        if not engine.closed and name not in engine.snapshot.spaces:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        engine.fitting.discard(name)


class _Draft:
    """Step 2: the vectors of a space that is not there yet, of rows in ascending order."""

    def __init__(self, engine: Engine, row: SpaceRow, model: Fitted) -> None:
        self._engine, self._row, self._model = engine, row, model
        self.files = SlotFiles(engine.space_folder(row.name), 0, model.dim)
        self.writer = SlotWriter(self.files)
        self.count, self.upto = 0, -1

    def missing(self, snapshot: Snapshot) -> Int64:
        return live_after(snapshot, self._row.follows, self.upto)

    def take(self, snapshot: Snapshot, rows: Int64) -> None:
        kept, latents = follow.encoded(self._engine, snapshot, self._row, self._model, rows)
        self.writer.append(self.count, latents, kept)
        self.count += len(kept)
        self.upto = int(rows[-1])


def _add(engine: Engine, name: str, follows: str, sees: str, model: Fitted, progress: Progress) -> str:
    row = SpaceRow(
        name, f"{LATENT}{model.kind}", model.fingerprint, Metric.L2, model.dim, 0, 0, source=f"{sees} of {follows}"
    )
    model.save(model_folder(engine.space_folder(name)))
    draft = _Draft(engine, row, model)
    with contextlib.closing(draft.writer):
        total = len(draft.missing(engine.snapshot))
        while (rows := draft.missing(now := engine.snapshot)).size > _FEW:
            progress("encoding all items", 1 - len(rows) / max(total, len(rows)))
            draft.take(now, rows[: follow.STEP])
        sync_together(draft.writer.handles)
        with engine.writing() as snapshot:
            _commit(engine, snapshot, draft, row)
    engine.models[model.fingerprint] = model
    progress("encoding all items", 1.0)
    return name


def _commit(engine: Engine, snapshot: Snapshot, draft: _Draft, row: SpaceRow) -> None:
    """The end of step 2, and step 3, under the write lock."""
    rows = draft.missing(snapshot)
    if rows.size:
        draft.take(snapshot, rows)
        sync_together(draft.writer.handles)
    first = row.base not in snapshot.standing
    row = row._replace(slots=draft.count, upto=draft.upto, active=first)
    outline.write(engine.folder, snapshot.columns, [*(view.row for view in snapshot.spaces.values()), row])
    vectors = VectorView(draft.files, draft.count)

    def commit(tx: Transaction) -> None:
        tx.add_space(row)
        for start in range(0, draft.count, _BATCH):
            sums = vectors.sums[start : start + _BATCH]
            tx.add_batch(row.name, start, len(sums), batch_sum(sums))
        tx.set_state(seq=snapshot.seq + 1)

    committed(engine, commit)
    engine.last_batch[row.name] = (0, 0)
    flags = np.isin(vectors.rows, live_after(snapshot, row.follows, -1))
    live = None if flags.all() else bits.pack(flags)
    view = SpaceView(row, vectors, live, int(flags.sum()), None)
    engine.publish(replace(snapshot, seq=snapshot.seq + 1, spaces={**snapshot.spaces, row.name: view}))
    engine.on_commit.set()
