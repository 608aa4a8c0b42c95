"""verify, repair, optimize: keeping a store well."""

from __future__ import annotations

import typer

from latentstore.cli.output import Format, FormatOption, counted, emit, note, say
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
    _outcome(rows, ["problem"], form, f"{store} is whole" if report.ok else None)
    if not report.ok:
        note(f"error: {counted(len(rows), 'problem')}; try: latentstore repair {store}")
        raise typer.Exit(1)


def repair(store: StoreArgument, form: FormatOption = Format.TABLE) -> None:
    """Mend a store, even one that does not open, from what is left of it, and say what is lost.

    Example:
      latentstore repair pile.latent
    """
    import latentstore

    report = latentstore.repair(store)
    told = {"mended": report.mended, "lost": report.lost, "not mended": report.problems}
    rows = [{"outcome": outcome, "what": line} for outcome, lines in told.items() for line in lines]
    lost = f"; lost: {counted(len(report.lost), 'item')}" if report.lost else ""
    _outcome(rows, ["outcome", "what"], form, f"{store} is whole{lost}" if report.ok else None)
    if not report.ok:
        note(f"error: {store} could not be mended wholly; a backup comes back with: latentstore restore")
        raise typer.Exit(1)


def optimize(store: StoreArgument, collection_name: CollectionOption = None) -> None:
    """Bring the indexes up to date and give back the room of deleted items.

    Example:
      latentstore optimize pile.latent
    """
    with opened(store, read_only=False) as open_store, Progress("optimizing") as progress:
        names = open_store.collections() if collection_name is None else [collection_name]
        for name in names:
            choose(open_store, name).optimize(lambda step, share: progress.update(share, 1.0, step))
    say(f"{store} is up to date")


def _outcome(rows: list[dict[str, str]], columns: list[str], form: Format, verdict: str | None) -> None:
    """Rows for machines; for people the rows, if any, and then the verdict, if it is good."""
    if rows or form is not Format.TABLE:
        emit(rows, columns, form)
    if verdict is not None and form is Format.TABLE:
        say(verdict)
