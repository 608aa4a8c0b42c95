"""The table of commands, and the one place where an exception becomes a line and an exit status.

A command's module is imported when the command is called or listed, and installed packages are asked for commands only
when a name is not built in: both take longer than answering a query does.
"""

from __future__ import annotations

import difflib
import os
import sys
import warnings
from importlib import import_module
from typing import Annotated, Any, TextIO

import typer
from typer.core import TyperGroup
from typer.main import get_command

from latentstore.cli.output import note, one_line
from latentstore.errors import LatentstoreError

GROUP = "latentstore.commands"
BUILT_IN = {
    "search": "latentstore.cli.find:search",
    "similar": "latentstore.cli.find:similar",
    "cluster": "latentstore.cli.cluster:cluster",
    "outliers": "latentstore.cli.outliers:outliers",
    "duplicates": "latentstore.cli.duplicates:duplicates",
    "map": "latentstore.cli.map:map_",
    "labels": "latentstore.cli.labels:labels",
    "compare": "latentstore.cli.compare:compare",
    "report": "latentstore.cli.report:report",
    "fit": "latentstore.cli.fit:fit",
    "interpolate": "latentstore.cli.walking:interpolate",
    "sample": "latentstore.cli.seeing:sample",
    "traverse": "latentstore.cli.walking:traverse",
    "directions": "latentstore.cli.walking:directions",
    "reconstruct": "latentstore.cli.seeing:reconstruct",
    "decode": "latentstore.cli.seeing:decode",
    "backfill": "latentstore.cli.fit:backfill",
    "versions": "latentstore.cli.versions:versions",
    "switch": "latentstore.cli.versions:switch",
    "rollback": "latentstore.cli.versions:rollback",
    "info": "latentstore.cli.look:info",
    "sql": "latentstore.cli.look:sql",
    "verify": "latentstore.cli.care:verify",
    "repair": "latentstore.cli.care:repair",
    "optimize": "latentstore.cli.care:optimize",
    "export": "latentstore.cli.move:export",
    "import": "latentstore.cli.move:import_",
    "backup": "latentstore.cli.move:backup",
    "restore": "latentstore.cli.move:restore",
    "encoders": "latentstore.cli.look:encoders",
    "demo": "latentstore.cli.demo:demo",
}
INTERRUPTED = 130


class Commands(TyperGroup):
    """The group behind `latentstore`: built-in commands by name, others through entry points, all loaded late."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*sorted(set(_installed()) - set(BUILT_IN)), *BUILT_IN]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        known = self.commands.get(cmd_name)
        if known is None and (target := _load(cmd_name)) is not None:
            known = self.commands[cmd_name] = _as_command(cmd_name, target)
        return known

    def invoke(self, ctx: Any) -> Any:
        # typer makes an exit status of Ctrl-C, which a command may also choose after telling its own story.
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            note("interrupted; what was committed before is safe")
            raise

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if self.get_command(ctx, args[0]) is None:
            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(self.list_commands(ctx))}."
            ctx.fail(f"no command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)


def _installed() -> dict[str, Any]:
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=GROUP)}


def _load(name: str) -> Any:
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        return getattr(import_module(module), attribute)
    point = _installed().get(name)
    if point is None:
        return None
    try:
        return point.load()
    except Exception as cause:  # A stranger's broken package must not take `--help` down with it.
        return _broken(name, f"{point.value} does not load: {type(cause).__name__}: {cause}")


def _broken(name: str, reason: str) -> Any:
    def command() -> None:
        raise LatentstoreError(f"command {name!r} is installed but broken: {one_line(reason)}")

    command.__doc__ = f"Not usable: {one_line(reason)}"
    return command


def _as_command(name: str, target: Any) -> Any:
    if isinstance(target, typer.Typer):
        made = get_command(target)
    elif callable(target):
        app = typer.Typer(add_completion=False)
        app.command()(target)
        made = get_command(app)
    else:
        return _as_command(name, _broken(name, f"a command is a function or a typer.Typer, got {target!r}"))
    made.name = name
    return made


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        sys.stdout.write(f"latentstore {version('latentstore')}\n")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """A store for latent vectors: semantic search, bulk ingestion and analysis in one directory.

    Examples:
      latentstore ingest pile.latent ~/notes
      latentstore search pile.latent "what did I decide about rent?"
      latentstore demo
    """


def build() -> Any:
    """The root command, with nothing loaded yet."""
    app = typer.Typer(cls=Commands, add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)
    app.callback()(_root)
    return get_command(app)


def run(arguments: list[str]) -> int:
    """The exit status of one command line."""
    _prepare_streams()
    try:
        status = build().main(arguments, prog_name="latentstore", standalone_mode=False)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except (BrokenPipeError, SystemExit) as gone:
        status = _hang_up(gone)
    except typer.TyperException as wrong:
        return _usage(wrong)
    except (LatentstoreError, OSError) as failure:
        note(f"error: {one_line(str(failure))}")
        _drop_unwritten()
        return 1
    return status if isinstance(status, int) else 0


def _hang_up(gone: BaseException) -> int:
    # typer answers a closed pipe with SystemExit(1); a reader such as `head` that has enough is no failure.
    if isinstance(gone, SystemExit) and gone.code != 1:
        return gone.code if isinstance(gone.code, int) else 1
    _discard_output()
    return 0


def _drop_unwritten() -> None:
    """What a full disk did not take would fail once more when the interpreter ends, with a status of its own."""
    try:
        sys.stdout.flush()
    except OSError:
        _discard_output()


def _discard_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _usage(wrong: Any) -> int:
    message = wrong.format_message().replace("Value error, ", "")
    context = getattr(wrong, "ctx", None)
    if message and context is not None:
        stop = "" if message.endswith((".", "?", "!")) else "."
        note(f"error: {one_line(message)}{stop} Try: {context.command_path} --help")
    elif message:
        note(f"error: {one_line(message)}")
    return int(wrong.exit_code)


def _prepare_streams() -> None:
    # A closed stream is None in Python; what is written to it is nobody's loss.
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sys.stderr = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    # A terminal that cannot show a letter shows its code: results are never lost to an encoding.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    warnings.showwarning = _show_warning


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    note(f"note: {one_line(str(message))}")
