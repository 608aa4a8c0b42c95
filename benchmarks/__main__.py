"""All benchmarks, one after the other, and how each bound fared: `python -m benchmarks [--rows N] [NAME …]`.

With more rows than there are real texts, only those that search stores of any size.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from benchmarks import data, tables
from benchmarks.report import Bound, named

_ANY_SIZE = ("search", "filters", "opening", "analysis_scale")
_NO_ROWS = ("encode", "audio", "image", "ingest", "clusters", "outliers", "page", "latent")
_ALL = (*_NO_ROWS, *_ANY_SIZE, "write")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":", 1)[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(_ALL)}; all when absent")
    parser.add_argument("--rows", type=int, default=data.REAL)
    args = parser.parse_args()
    unknown = [name for name in args.names if name not in _ALL]
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}; there are {', '.join(_ALL)}")
    names = args.names or (_ANY_SIZE if args.rows > data.REAL else _ALL)
    failed = [name for name in names if not _ran(name, args.rows)]
    for name in names:
        if name not in failed:
            _summarise(name if name in _NO_ROWS else named(name, args.rows))
    if failed:
        print(f"\nbroke off: {', '.join(failed)}")
    return 1 if failed else 0


def _ran(name: str, rows: int) -> bool:
    print(f"\n== {name}", flush=True)
    size = [] if name in _NO_ROWS else ["--rows", str(rows)]
    return subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *size], check=False).returncode == 0


def _summarise(result: str) -> None:
    print(f"\n{result}")
    for bound in tables.kept(result)["bounds"]:
        bound.pop("met")
        print(f"  {Bound(**bound).line()}")


if __name__ == "__main__":
    sys.exit(main())
