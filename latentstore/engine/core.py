"""Engine: one open collection. It owns the files and the current snapshot; the modules beside it are its verbs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from latentstore.engine.cache import FilterCache
from latentstore.engine.snapshot import Snapshot, SpaceView
from latentstore.errors import ReadOnlyStore, SpaceNotFound, StorageFailure, StoreClosed
from latentstore.index.base import VectorIndex
from latentstore.storage.attachments import AttachmentFile, AttachmentWriter
from latentstore.storage.catalog import Catalog
from latentstore.storage.mark import Mark, MarkWriter
from latentstore.storage.records import RecordFiles, RecordWriter
from latentstore.storage.vectors import SlotFiles, SlotWriter
from latentstore.types import Float32

CATALOG = "catalog.duckdb"
FITS = "fits"  # the folder of checkpoints, one a fit that is under way or was killed
INPUTS = "inputs.raw"  # ends the names of the files there that hold what is learnt from
_PUBLISH_WITHIN = 10.0  # seconds between a commit and its snapshot; they are microseconds apart


class Engine:
    """Writers take `writing()`; readers take `snapshot` and never wait."""

    def __init__(self, folder: Path, catalog: Catalog, *, memory_budget: int) -> None:
        self.folder = folder
        self.catalog = catalog
        self.memory_budget = memory_budget
        self.filters = FilterCache()
        self.samples: dict[tuple[str, str | None, int], Float32] = {}  # space, kind, commit → random vectors
        self.sample: Any = None  # what the last study looked at
        self.models: dict[str, Any] = {}  # fingerprint → the fitted model of a latent space
        self.fitting: set[str] = set()  # folders of the spaces and of the checkpoints that a fit is filling
        self.notes: list[str] = []  # what was noticed at open, for info()
        self.on_commit = threading.Event()  # wakes the indexer
        self.upkeep = (
            threading.RLock()
        )  # held by whoever rewrites files: one index build, compaction or backup at a time
        self._lock = threading.RLock()
        self._published = threading.Condition()
        self._snapshot: Snapshot | None = None
        self._slot_writers: dict[str, SlotWriter] = {}
        self._record_writer: RecordWriter | None = None
        self._attachment_writer: AttachmentWriter | None = None
        self._mark = MarkWriter(folder)
        self.last_batch: dict[str, tuple[int, int]] = {}  # space → first slot and length of its last batch
        self.saved: dict[str, int] = {}  # space → slots that its index file covers
        self.detached = 0  # items deleted or replaced since the file of attachments was last looked over

    @property
    def read_only(self) -> bool:
        return self.catalog.read_only

    @property
    def closed(self) -> bool:
        return self._snapshot is None

    @property
    def snapshot(self) -> Snapshot:
        snapshot = self._snapshot
        if snapshot is None:
            raise StoreClosed(f"collection {self.folder.name!r} is closed; open the store again")
        return snapshot

    def publish(self, snapshot: Snapshot) -> None:
        """Make a commit visible. Only ever called under `writing()` or while opening."""
        with self._published:
            self._snapshot = snapshot
            self._published.notify_all()
        if not self.read_only:
            records = snapshot.records
            self._mark.note(Mark(snapshot.seq, records.files.generation, records.size))

    def snapshot_at(self, seq: int) -> Snapshot:
        """The current snapshot, once it is at least as new as a commit that the catalog has shown."""
        with self._published:
            if not self._published.wait_for(lambda: self.closed or self.snapshot.seq >= seq, _PUBLISH_WITHIN):
                raise StorageFailure(
                    f"collection {self.folder.name!r} did not follow its catalog to commit {seq}; close and open it again"
                )
        return self.snapshot

    def set_index(self, space: str, index: VectorIndex | None) -> None:
        with self.writing():
            snapshot = self.snapshot
            view = replace(snapshot.spaces[space], index=index)
            self.publish(replace(snapshot, spaces={**snapshot.spaces, space: view}))

    @contextlib.contextmanager
    def writing(self) -> Iterator[Snapshot]:
        """The write lock of this process, with the snapshot that the write starts from."""
        with self._lock:
            snapshot = self.snapshot
            if self.read_only:
                raise ReadOnlyStore(
                    f"{self.folder.parent} was opened with read_only=True; open it without to add, change or delete"
                )
            yield snapshot

    @contextlib.contextmanager
    def unchanging(self) -> Iterator[Snapshot]:
        """The write lock, for whoever must see files and catalog at one moment without writing."""
        with self._lock:
            yield self.snapshot

    def space(self, name: str | None) -> SpaceView:
        return find_space(self.snapshot, name)

    def space_folder(self, space: str) -> Path:
        return self.folder / "spaces" / space

    def slot_writer(self, files: SlotFiles) -> SlotWriter:
        writer = self._slot_writers.get(files.folder.name)
        if writer is None or writer.files != files:
            if writer is not None:
                writer.close()
            writer = self._slot_writers[files.folder.name] = SlotWriter(files)
        return writer

    def close_slot_writer(self, space: str) -> None:
        """Of a space that is no longer there."""
        writer = self._slot_writers.pop(space, None)
        if writer is not None:
            writer.close()

    def record_writer(self, files: RecordFiles) -> RecordWriter:
        if self._record_writer is None or self._record_writer.files != files:
            if self._record_writer is not None:
                self._record_writer.close()
            self._record_writer = RecordWriter(files)
        return self._record_writer

    @property
    def writes_attachments(self) -> bool:
        """Whether any were written since the collection was opened."""
        return self._attachment_writer is not None

    def attachment_writer(self, files: AttachmentFile) -> AttachmentWriter:
        if self._attachment_writer is None or self._attachment_writer.files != files:
            if self._attachment_writer is not None:
                self._attachment_writer.close()
            self._attachment_writer = AttachmentWriter(files)
        return self._attachment_writer

    def abandon(self) -> None:
        """In a forked child: be closed, and leave the files to the process that opened them."""
        self._snapshot = None
        self.catalog.abandon()

    def close(self) -> None:
        if self.closed:
            return
        with self._lock:
            if self.closed:
                return
            with self._published:
                self._snapshot = None
                self._published.notify_all()
            for writer in self._slot_writers.values():
                writer.close()
            for open_file in (self._record_writer, self._attachment_writer):
                if open_file is not None:
                    open_file.close()
            self._mark.close()
            if not self.read_only:
                # What does not get into the file now stays in the log beside it.
                with contextlib.suppress(StorageFailure):
                    self.catalog.checkpoint()
            self.catalog.close()


def model_folder(home: Path) -> Path:
    """Of a latent space, in the folder of the space."""
    return home / "model"


def find_space(snapshot: Snapshot, name: str | None) -> SpaceView:
    """The space of that name; the first one for None; for the bare name of a latent space its active version.

    Raises SpaceNotFound.
    """
    if name is None:
        return next(iter(snapshot.spaces.values()))
    found = snapshot.spaces.get(snapshot.standing.get(name, name))
    if found is None:
        raise SpaceNotFound(f"there is no space {name!r}; there are {', '.join(called(snapshot))}")
    return found


def called(snapshot: Snapshot) -> list[str]:
    """The names by which users know the spaces: those of the collection, then the latent ones without their versions."""
    return [*(view.row.name for view in snapshot.own), *snapshot.standing]
