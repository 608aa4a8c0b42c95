"""verify, repair, optimize: keeping a store well."""

from __future__ import annotations

import typer

from latentstore.cli.output import Format, FormatOption, emit, note
from latentstore.cli.progress import Progress
from latentstore.cli.stores import CollectionOption, StoreArgument, choose, opened


def verify(store: StoreArgument, form: FormatOption = Format.TABLE) -> None:
    """Read everything again and compare it with its checksums. Exit status 1 when something is wrong.

    Example:
      latentstore verify pile.latent
    """
    with opened(store) as open_store:
        report = open_store.verify()
    rows = [{"problem": problem} for problem in report.problems]
    if rows or form is not Format.TABLE:
        emit(rows, ["problem"], form)
    if not report.ok:
        note(f"error: {len(rows)} {'problem' if len(rows) == 1 else 'problems'}; try: latentstore repair {store}")
        raise typer.Exit(1)
    note(f"{store} is whole")


def repair(store: StoreArgument, form: FormatOption = Format.TABLE) -> None:
    """Mend a store, even one that does not open, from what is left of it, and say what is lost.

    Example:
      latentstore repair pile.latent
    """
    import latentstore

    report = latentstore.repair(store)
    rows = [{"what": line} for line in report.problems]
    if rows or form is not Format.TABLE:
        emit(rows, ["what"], form)
    note(f"{store} is whole now" if report.ok else f"error: {store} could not be mended wholly")
    if not report.ok:
        raise typer.Exit(1)


def optimize(store: StoreArgument, collection_name: CollectionOption = None) -> None:
    """Bring the indexes up to date and give back the room of deleted items.

    Example:
      latentstore optimize pile.latent
    """
    with opened(store, read_only=False) as open_store, Progress("optimizing") as progress:
        choose(open_store, collection_name).optimize(progress=progress.update)
    note(f"{store} is up to date")
