"""Opening what the command line names: a store, and in it the one collection that is meant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentstore.errors import CollectionNotFound, InvalidInput, StoreNotFound

if TYPE_CHECKING:
    from latentstore.collection import Collection
    from latentstore.store import Store

StoreArgument = Annotated[Path, typer.Argument(metavar="STORE", help="The store's directory.", show_default=False)]
CollectionOption = Annotated[
    str | None, typer.Option("--collection", metavar="NAME", help="Needed only where the store has several.")
]


@contextmanager
def opened(path: Path, *, read_only: bool = True) -> Iterator[Store]:
    """The store at `path`, closed afterwards. Raises StoreNotFound when there is none: nothing is created."""
    import latentstore

    if not path.exists():
        raise StoreNotFound(
            f"there is no store at {path}; check the path, or make one: latentstore ingest {path} FOLDER"
        )
    with latentstore.open(path, create=False, read_only=read_only) as store:
        yield store


def choose(store: Store, name: str | None) -> Collection:
    """The collection of that name, or the only one. Raises CollectionNotFound, InvalidInput: what there is."""
    return store.collection(chosen_name(store.collections(), name))


def chosen_name(names: list[str], name: str | None) -> str:
    """The name meant by `--collection`, which may be absent where there is only one."""
    listed = ", ".join(names)
    if name is not None:
        if name not in names:
            raise CollectionNotFound(f"no collection {name!r} in this store; it has: {listed or 'none yet'}")
        return name
    if not names:
        raise CollectionNotFound(
            "the store has no collection yet; put something in with: latentstore ingest STORE FOLDER"
        )
    if len(names) > 1:
        raise InvalidInput(f"the store has {len(names)} collections: {listed}; name one with --collection")
    return names[0]


@contextmanager
def collection(path: Path, name: str | None, *, read_only: bool = True) -> Iterator[Collection]:
    """The one collection that a command works on, its store closed afterwards."""
    with opened(path, read_only=read_only) as store:
        yield choose(store, name)
