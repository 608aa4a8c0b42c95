"""What a study leaves in the store: a row of the catalog, and columns of the items it covered, in one commit.

A column is ordinary metadata: `where`, `sql` and hits know it. Items that the study did not cover have nothing there.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentstore.engine import update
from latentstore.engine.core import Engine
from latentstore.engine.studies.sample import Sample
from latentstore.findings.study import Study
from latentstore.storage import studies
from latentstore.storage.columns import fold
from latentstore.storage.transaction import Transaction


@dataclass(frozen=True)
class Outcome:
    """parameters, summary: plain JSON. arrays: numbers and booleans, by name. columns: n values each in the sample's order,
    None or NaN where an item has none."""

    kind: str
    parameters: Mapping[str, Any]
    seed: int | None
    seconds: float
    summary: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    columns: Mapping[str, Sequence[Any] | NDArray[Any]] = field(default_factory=dict)


class Kept(NamedTuple):
    """A study as it was kept. Only the newest few of a kind still have arrays."""

    study: Study
    arrays: dict[str, NDArray[Any]]


def keep(engine: Engine, sample: Sample, outcome: Outcome) -> Study:
    """Keep a study and its columns. Raises ReadOnlyStore, StorageFailure."""
    with engine.writing() as snapshot:
        names = _names(engine, outcome, sample.space, snapshot.names)
        alive = np.isin(sample.rows, engine.catalog.live_rows(), assume_unique=True)
        columns = {names[plain]: _values(values, alive) for plain, values in outcome.columns.items()}
        study = Study(
            *(studies.next_id(engine.catalog), outcome.kind, sample.space, outcome.parameters, outcome.seed),
            *(len(sample), time.time(), outcome.seconds, names, outcome.summary),
        )

        def note(tx: Transaction) -> None:
            studies.insert(tx, study, outcome.arrays)

        update.annotate(engine, sample.rows[alive], columns, note)
    return study


def last(engine: Engine, kind: str, space: str) -> Kept | None:
    """The newest study of that kind in that space; of a latent space by its bare name, in its active version."""
    found = studies.last(engine.catalog, kind, engine.space(space).row.name)
    return None if found is None else Kept(*found)


def history(engine: Engine) -> list[Study]:
    """Every study, oldest first."""
    return studies.listed(engine.catalog)


def _names(engine: Engine, outcome: Outcome, space: str, taken: Sequence[str]) -> dict[str, str]:
    """The metadata column of each finding: its plain name, or with the space's where that is another's already."""
    owners: dict[str, tuple[str, str]] = {}
    for study in history(engine):
        owners.update({fold(actual): (study.kind, study.space) for actual in study.columns.values()})
    return {plain: _name(plain, (outcome.kind, space), owners, taken) for plain in outcome.columns}


def _name(plain: str, owner: tuple[str, str], owners: Mapping[str, tuple[str, str]], taken: Sequence[str]) -> str:
    held = {fold(name) for name in taken}
    wanted = [plain, f"{plain}_{owner[1]}", *(f"{plain}_{owner[1]}_{number}" for number in range(2, 100))]
    return next(name for name in wanted if owners.get(fold(name)) == owner or fold(name) not in held)


def _values(values: Sequence[Any] | NDArray[Any], alive: NDArray[np.bool_]) -> list[Any]:
    """As the catalog takes them: Python's own types, None for what is missing."""
    listed = values.tolist() if isinstance(values, np.ndarray) else list(values)
    return [
        None if isinstance(value, float) and value != value else value
        for value, there in zip(listed, alive.tolist(), strict=True)
        if there
    ]
