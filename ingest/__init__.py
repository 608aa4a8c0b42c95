"""Bulk jobs: from files to passages to a store. Uses latentstore's public API only.

result = ingest.run("pile.latent", ["~/notes"], options=ingest.Options(exclude=("*.tmp",)))
"""

from __future__ import annotations

from ingest.pipeline import Options, run
from ingest.results import Problem, Progress, Result

__all__ = ["Options", "Problem", "Progress", "Result", "run"]
