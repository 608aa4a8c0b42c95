"""export, import, backup, restore: getting a store's contents out and in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from latentstore.cli.output import counted, note, say
from latentstore.cli.stores import CollectionOption, StoreArgument, chosen_name, collection, opened
from latentstore.types import OnConflict

FIRST = "docs"  # the collection that an import makes in a store that has none

ParquetOut = Annotated[Path, typer.Argument(metavar="FILE.parquet", help="The file to write.", show_default=False)]
ParquetIn = Annotated[Path, typer.Argument(metavar="FILE.parquet", help="The file to read.", show_default=False)]
BackupArgument = Annotated[Path, typer.Argument(metavar="BACKUP", help="The backup's directory.", show_default=False)]


def export(store: StoreArgument, file: ParquetOut, collection_name: CollectionOption = None) -> None:
    """Write a collection as Parquet: ids, texts, metadata, and vectors as lists of fixed size.

    Example:
      latentstore export pile.latent docs.parquet
    """
    with collection(store, collection_name) as docs:
        say(f"wrote {counted(docs.export_parquet(file), 'item')} to {file}")


def import_(
    store: StoreArgument,
    file: ParquetIn,
    on_conflict: Annotated[
        OnConflict, typer.Option(help="What to do with ids that are there already.")
    ] = OnConflict.ERROR,
    collection_name: CollectionOption = None,
) -> None:
    """Read a Parquet file that export wrote, into a store that is made when missing.

    Example:
      latentstore import copy.latent docs.parquet --collection docs
    """
    import latentstore
    from latentstore.engine.parquet import settings

    made_for = settings(file)
    with latentstore.open(store) as open_store:
        names = open_store.collections()
        name = collection_name or (chosen_name(names, None) if names else FIRST)
        docs = open_store.get_or_create(name, **made_for)
        count = docs.import_parquet(file, on_conflict=on_conflict)
        docs.optimize()
    say(f"read {counted(count, 'item')} from {file} into collection {name!r} of {store}")


def backup(
    store: StoreArgument,
    backup_path: Annotated[
        Path, typer.Argument(metavar="BACKUP", help="A directory that does not exist yet.", show_default=False)
    ],
) -> None:
    """Make a consistent copy of a store, also while others search it.

    A process that writes can make one itself, in Python: store.backup(PATH).

    Example:
      latentstore backup pile.latent pile.backup
    """
    with opened(store) as open_store:
        open_store.backup(backup_path)
    say(f"a copy of {store} is in {backup_path}")
    note(f"bring it back with: latentstore restore {backup_path} NEW.latent")


def restore(
    backup_path: BackupArgument,
    store: Annotated[
        Path,
        typer.Argument(metavar="STORE", help="Where the store shall stand; nothing may be there.", show_default=False),
    ],
) -> None:
    """Make a store from a backup; every file is compared with its checksum.

    Example:
      latentstore restore pile.backup restored.latent
    """
    import latentstore

    latentstore.restore(backup_path, store)
    say(f"{store} is back, and whole")
