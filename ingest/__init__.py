"""Bulk jobs: from files to items to a store. Uses latentstore's public API only.

result = ingest.run("pile.latent", ["~/everything"], options=ingest.Options(patterns=ingest.Patterns(exclude=("*.tmp",))))
"""

from __future__ import annotations

from ingest.limits import Limits
from ingest.options import Options
from ingest.pipeline import Stopped, run
from ingest.plan import Plan, plan
from ingest.readers.columns import Columns
from ingest.results import Problem, Progress, Result
from ingest.sources import Patterns, Table
from ingest.watch import watch

__all__ = [
    "Columns",
    "Limits",
    "Options",
    "Patterns",
    "Plan",
    "Problem",
    "Progress",
    "Result",
    "Stopped",
    "Table",
    "plan",
    "run",
    "watch",
]
