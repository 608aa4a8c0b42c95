"""Collection: items and search. A facade: each method checks what came, calls one engine function, returns its result."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from latentstore.engine import (
    attach,
    check,
    describe,
    maintenance,
    mixing,
    origins,
    parquet,
    read,
    update,
    verify,
    write,
)
from latentstore.engine.core import Engine, called
from latentstore.engine.encoding import Encoders
from latentstore.engine.indexing import Indexer
from latentstore.engine.latents import versions
from latentstore.errors import InvalidInput
from latentstore.findings.study import Study
from latentstore.space import Space
from latentstore.types import Hits, Item, OnConflict, Origin, Report, Rows, Source, Written


class Collection:
    """Made by `Store.create` or `Store.collection`. Any number of threads may search while one adds."""

    def __init__(self, engine: Engine, owner: object = None) -> None:
        """owner: kept alive for as long as the collection is in use: a store that nobody holds closes itself."""
        self.engine = engine
        self._owner = owner
        self._encoders = Encoders(engine, owner)
        self._indexer = None if engine.read_only else Indexer(engine)

    @property
    def name(self) -> str:
        return self.engine.folder.name

    @property
    def closed(self) -> bool:
        return self.engine.closed

    def add(
        self,
        items: Sequence[str | Item] | str | Item | None = None,
        *,
        vectors: Any = None,
        ids: Sequence[str] | None = None,
        metadata: Any = None,
        on_conflict: OnConflict | str = OnConflict.ERROR,
        fingerprint: str | Mapping[str, str] | None = None,
        sources: Sequence[Source] = (),
        stale: Sequence[str] = (),
        forget: Sequence[str] = (),
    ) -> Written:
        """Store a batch, whole or not at all; when this returns it is durable and searchable.

        items: texts or Items, encoded by the collection's encoders. vectors: (n, dim) float32, or {space: array}, instead of or
        beside items, or a list with None for an item that has none there; into the space of an encoder only with that encoder's
        `fingerprint`, {space: fingerprint} for several. Every item must get a vector in one space at least. ids: n strings, made up when
        None. metadata: list of n dicts, or a pandas, polars or Arrow table of n rows.
        In the same commit: sources are put into the ledger, each in place of the line that its uri had; items with the ids in
        stale are deleted (unknown ones are passed over, those that are added too are replaced); the ledger's lines of the uris
        in forget are removed, not their items. With any of the three there need be no items.
        Raises DuplicateId, DimensionMismatch, NotFinite, ColumnTypeClash, ReservedName, EncoderMismatch, InvalidInput.
        """
        changes = check.beside(sources, stale, forget)
        batch = check.batch(items, vectors, ids, metadata, changes)
        arrays = self._encoders.vectors_for(batch, fingerprint)
        return write.add(
            self.engine, batch.incoming(arrays), check.choice(OnConflict, on_conflict, "on_conflict"), changes
        )

    def update(self, ids: Sequence[str], metadata: Any) -> int:
        """Set metadata keys of items; keys not given and vectors stay. Returns how many items. Raises ItemNotFound."""
        names = check.ids(ids)
        return update.update(self.engine, names, check.changes(metadata, len(names)))

    def delete(self, ids: Sequence[str] | None = None, *, where: str | None = None) -> int:
        """Delete items by id (unknown ones are passed over) or by filter. Returns how many there were."""
        if (ids is None) == (where is None):
            raise InvalidInput("delete takes either ids or where, exactly one of them")
        return (
            write.delete_ids(self.engine, check.ids(ids))
            if ids is not None
            else write.delete_where(self.engine, check.where(where))
        )

    def get(self, ids: Sequence[str] | str) -> list[Item]:
        """The items in the order asked. Raises ItemNotFound."""
        return read.get(self.engine, check.ids(ids))

    def attachments(self, ids: Sequence[str] | str, name: str) -> list[bytes | None]:
        """The bytes that each item has attached under that name, None where it has none, in the order asked.

        Raises ItemNotFound, Corrupted where the bytes are no longer those that were stored.
        """
        return attach.contents(self.engine, check.ids(ids), check.attachment(name))

    def count(self, where: str | None = None) -> int:
        """How many items there are, or pass a filter."""
        if where is None:
            return self.engine.snapshot.items
        return len(read.rows_where(self.engine, check.where(where))[1])

    def __len__(self) -> int:
        return self.engine.snapshot.items

    def __contains__(self, name: object) -> bool:
        return read.holds(self.engine, name)

    def sql(self, query: str) -> Rows:
        """The rows of one SELECT over the tables `items` (row, id, text, uri, metadata) and `sources` (a column for each field
        of Source): what the ledger knows of where items came from. Raises InvalidFilter.
        """
        return Rows(*self.engine.catalog.query(check.query(query), self.engine.snapshot.columns))

    def origins(self, uris: Sequence[str]) -> list[Origin]:
        """For each uri, whether the local file still stands as the ledger knew it, by size and time; nothing is opened.

        A uri is the absolute path of a file; a member of an archive (`/a.zip!/b.txt`) is judged by the archive, if the ledger
        has a line of that too. UNKNOWN for all else. Raises InvalidInput where uris is no list of strings.
        """
        return origins.origins(self.engine, check.names(uris))

    def search(
        self,
        query: Any,
        k: int = 10,
        *,
        where: str | None = None,
        space: str | None = None,
        exact: bool = False,
        recall: float | None = None,
        columns: Sequence[str] | None = None,
        explain: bool = False,
    ) -> Any:
        """The k nearest items: Hits for one query, a list of Hits for several.

        query: a text; an image as a Path, PIL image, (h, w, 3) uint8 array or the bytes of its file; a sound as a Path, bytes or
        (samples, rate); an Item; or a (dim,) vector. Several as a list, or (q, dim).
        space: every one that takes such a query when None; their hits are mixed by calibrated scores, see Hit. For a vector
        the first one.
        where: a SQL condition over metadata; never fewer than min(k, matching) hits. exact: compare with every vector.
        recall: the share of the true neighbours to find, as measured when the index was built; 0.99 when None.
        columns: metadata to fetch, all when None. explain: keep the plan in `hits.plan`.
        Raises InvalidFilter, DimensionMismatch, NotFinite, EncoderMissing, SpaceNotFound, InvalidInput.
        """
        question = check.question(self.engine.snapshot, k, where, exact, recall, columns, explain)
        parts, many = self._encoders.parts(query, space)
        found = mixing.search(self.engine, parts, question)
        return found if many else found[0]

    def similar(
        self,
        id: str,
        k: int = 10,
        *,
        where: str | None = None,
        space: str | None = None,
        exact: bool = False,
        recall: float | None = None,
        columns: Sequence[str] | None = None,
        explain: bool = False,
    ) -> Hits:
        """The neighbours of an item, itself left out; otherwise as `search`. Raises ItemNotFound."""
        question = check.question(self.engine.snapshot, k, where, exact, recall, columns, explain)
        return read.similar(self.engine, space, check.ids([id])[0], question)

    def space(self, name: str | None = None) -> Space:
        """A space of this collection; the first one for None. A latent space by its name, which follows the active version, or of
        one version, as "vae32@2". Raises SpaceNotFound."""
        row = self.engine.space(name).row
        return Space(self.engine, name if name is not None and row.latent else row.name, self._encoders)

    def spaces(self, *, latent: bool = True) -> list[str]:
        """Names of the spaces, the first one first. latent: with those that were fitted, each once."""
        snapshot = self.engine.snapshot
        return called(snapshot) if latent else [view.row.name for view in snapshot.own]

    def drop_space(self, name: str) -> None:
        """Remove a latent space, or one version of it, as "vae32@1", with its model and its studies.

        Raises InvalidInput for a space that was not fitted, for the active version while there are others, and for one that
        another was fitted to; SpaceNotFound.
        """
        versions.drop(self.engine, name)

    def studies(self) -> list[Study]:
        """The analyses that were kept, oldest first: of which space, with what, over how many items, in which columns."""
        return describe.studies(self.engine)

    def optimize(self, progress: Callable[[str, float], None] | None = None) -> None:
        """Compact what is deleted and bring every index up to date now, rather than in the background.

        progress: called with what is being done and the share done, 0 to 1.
        """
        maintenance.optimize(self.engine, progress)

    def verify(self) -> Report:
        """Re-read everything and hold it against its checksums and its counterparts."""
        return verify.verify(self.engine)

    def info(self) -> dict[str, Any]:
        """Counts, sizes, columns, and for each space its encoder, index and measured recall."""
        return describe.info(self.engine)

    def export_parquet(self, path: str | os.PathLike[str], *, where: str | None = None) -> int:
        """Write ids, texts, uris, metadata and the vectors of every space (fixed-size lists). Returns the rows written.

        Attachments and the ledger of sources stay behind; `Store.backup` copies those too.
        """
        return parquet.export(self.engine, Path(path), where)

    def import_parquet(
        self, path: str | os.PathLike[str], *, on_conflict: OnConflict | str = OnConflict.ERROR, batch: int = 10_000
    ) -> int:
        """Add what `export_parquet` wrote; the fingerprints in the file must be those of the spaces. Returns the rows read."""
        return parquet.load(self.engine, Path(path), check.choice(OnConflict, on_conflict, "on_conflict"), batch)

    def close(self) -> None:
        """Stop upkeep and let go of the files. Safe to call twice."""
        if self._indexer is not None:
            self._indexer.stop()
        self.engine.close()

    def __enter__(self) -> Collection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Collection {self.name!r} {'closed' if self.closed else f'{len(self)} items'}>"
