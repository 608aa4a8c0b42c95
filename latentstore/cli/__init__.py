"""The `latentstore` command. It translates: arguments in, rows and exit statuses out; it adds no capability.

Results go to standard output, everything else to standard error. Exit status 0; 1 for a failure, told in one line;
2 for wrong usage; 130 after Ctrl-C.

A package adds a command with an entry point in the group `latentstore.commands`. Its name is the command's name, its
object either a function annotated as typer takes it (a command) or a `typer.Typer` (a group of commands):

    [project.entry-points."latentstore.commands"]
    hello = "my_package.commands:hello"

Raise `latentstore.LatentstoreError` in it for a failure that a person can mend. A built-in name cannot be taken over.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave the process with its exit status. arguments: `sys.argv[1:]` when None."""
    from latentstore.cli.app import run  # keeps `import latentstore.cli` free of typer

    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))
