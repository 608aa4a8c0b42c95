"""What the catalog keeps of analyses: one row a study. Parameters and summary are JSON, arrays a safetensors file in a BLOB."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from latentstore.errors import Corrupted
from latentstore.findings.study import Study
from latentstore.storage.catalog import Catalog
from latentstore.storage.transaction import Transaction

if TYPE_CHECKING:
    from numpy.typing import NDArray

Arrays = Mapping[str, "NDArray[Any]"]
KEPT_ARRAYS = 3  # of the newest studies of a kind in a space; older ones keep all but their arrays
_FIELDS = "id, kind, space, parameters, seed, rows, made, seconds, columns, summary"


def listed(catalog: Catalog) -> list[Study]:
    """Every study, oldest first."""
    with catalog.reading() as cursor:
        found = cursor.execute(f"select {_FIELDS} from studies order by id").fetchall()
    return [_study(row) for row in found]


def last(catalog: Catalog, kind: str, space: str) -> tuple[Study, dict[str, NDArray[Any]]] | None:
    """The newest study of that kind in that space, and its arrays. Raises Corrupted where they do not read."""
    wanted = f"select {_FIELDS}, arrays from studies where kind = ? and space = ? order by id desc limit 1"
    with catalog.reading() as cursor:
        found = cursor.execute(wanted, [kind, space]).fetchone()
    return None if found is None else (_study(found[:-1]), _unpacked(found[-1]))


def whole(catalog: Catalog) -> Iterator[tuple[Study, dict[str, NDArray[Any]]]]:
    """Every study with its arrays, oldest first. Raises Corrupted."""
    for number in [study.id for study in listed(catalog)]:
        with catalog.reading() as cursor:
            found = cursor.execute(f"select {_FIELDS}, arrays from studies where id = ?", [number]).fetchone()
        if found is not None:
            yield _study(found[:-1]), _unpacked(found[-1])


def insert(tx: Transaction, study: Study, arrays: Arrays) -> None:
    """Keep a study. `study.id` is given by `next_id` in the same commit."""
    from safetensors.numpy import save

    packed = save({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    values: Sequence[Any] = [
        *(study.id, study.kind, study.space, json.dumps(study.parameters), study.seed, study.rows, study.made),
        *(study.seconds, json.dumps(study.columns), json.dumps(study.summary), packed),
    ]
    tx.execute("insert into studies values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
    tx.execute(
        "update studies set arrays = null where kind = ? and space = ? and arrays is not null and id not in "
        f"(select id from studies where kind = ? and space = ? order by id desc limit {KEPT_ARRAYS})",
        [study.kind, study.space] * 2,
    )


def next_id(catalog: Catalog) -> int:
    with catalog.reading() as cursor:
        found = cursor.execute("select coalesce(max(id), 0) + 1 from studies").fetchall()
    return int(found[0][0])


def _study(row: Sequence[Any]) -> Study:
    number, kind, space, parameters, seed, rows, made, seconds, columns, summary = row
    return Study(
        *(number, kind, space, json.loads(parameters), seed, rows, made, seconds),
        *(json.loads(columns), json.loads(summary)),
    )


def _unpacked(packed: bytes | None) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return dict(load(packed)) if packed else {}
    except SafetensorError as error:
        raise Corrupted(f"what a study kept does not read ({error}); run the analysis again") from error
