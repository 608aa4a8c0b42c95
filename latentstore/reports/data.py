"""Findings as files: Parquet tables that join by (space, id) and by cluster number, and the page's own values as JSON.

items.parquet: a row an item and space, with everything that was found of it and its metadata. clusters.parquet, outliers.parquet,
duplicates.parquet, labels.parquet: what their names say. axes.parquet: the principal axes, with the items at both ends of the first;
axis_columns.parquet: the columns that go along those. report.json: the page, without pictures and sounds. atlas.parquet: what the
embedding-atlas tool opens; where there are several spaces one each, atlas-<space>.parquet. A table without rows has its columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latentstore.engine.studies import keep
from latentstore.fileio import replacing, storage_errors
from latentstore.reports import atlas, write
from latentstore.reports.model import Page, jsonable
from latentstore.reports.studied import Studied
from latentstore.storage.columns import Column, fold, to_arrow
from latentstore.types import Int64

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 1
Row = dict[str, Any]


def _columns(told: str) -> dict[str, str]:
    """'space:text size:int' → name → type."""
    return dict(pair.split(":") for pair in told.split())


_ITEM = _columns(
    "space:text id:text text:text uri:text coarse:int coarse_name:text medium:int medium_name:text fine:int fine_name:text "
    "confidence:float second:int outlier:bool outlier_score:float outlier_p:float duplicate_of:text x:float y:float"
)
_CLUSTER = _columns(
    "space:text level:text number:int name:text words:[text] size:int share:float stability:float tightness:float "
    "flags:[text] parent:int neighbours:[int] exemplars:[text] border:[text]"
)
_STRANGER = _columns(
    "space:text id:text score:float p_value:float flagged:bool nearest:[text] times:float cluster:text words:[text]"
)
_LABEL = _columns("space:text column:text id:text label:text suggested:text confidence:float")
_AXIS = _columns("space:text axis:int share:float cumulative:float steadiness:float low:[text] high:[text]")
_TIE = _columns(
    "space:text axis:int column:text share:float p_value:float items:int correlation:float "
    "low:[text] high:[text] low_median:float high_median:float"
)
_COPY = _columns("space:text group:int kind:text id:text kept:bool kept_id:text widest:float")


def write_all(folder: Path, page: Page, studied: Sequence[Studied]) -> list[Path]:
    """Write every table, and the JSON last: a folder that has it is whole. Returns the files. Raises StorageFailure."""
    import pyarrow as pa

    with storage_errors(folder):
        folder.mkdir(exist_ok=True)
    items = [_items(one) for one in studied]
    tables = {"items": pa.concat_tables([_none(_ITEM), *items], promote_options="default")}
    for name, (types, rows) in _LISTS.items():
        tables[name] = _listed(types, [row for one in studied for row in rows(one)])
    for one, table in zip(studied, items, strict=True):
        tables["atlas" if len(studied) == 1 else f"atlas-{one.sample.space}"] = atlas.table(one, table)
    files = [_parquet(folder / f"{name}.parquet", table) for name, table in tables.items()]
    sheet = {"latentstore": "report", "format": FORMAT, **jsonable(_silent(page))}
    write.sheet(sheet, folder / write.SHEET)
    return [*files, folder / write.SHEET]


def _items(one: Studied) -> pa.Table:
    """A row an item, in the sample's order."""
    import pyarrow as pa

    sample, n = one.sample, len(one.sample)
    found: dict[str, Any] = {"space": [sample.space] * n, "id": sample.ids, "text": sample.texts, "uri": sample.uris}
    found |= _places(one) | _strangeness(one)
    found["duplicate_of"] = one.duplicates.duplicate_of if one.duplicates else None
    found["x"], found["y"] = one.coordinates.T
    table = pa.table([_array(name, found.get(name), n) for name in _ITEM], names=list(_ITEM))
    for column in _metadata(one):
        name = column.name if fold(column.name) not in _ITEM else f"metadata_{column.name}"
        table = table.append_column(name, to_arrow(column, sample.column(column.name)))
    return table


def _array(name: str, values: Any, n: int) -> pa.Array:
    """n values of a column of items; NaN is missing."""
    import pyarrow as pa

    if values is None:
        return pa.nulls(n, _types(_ITEM)[name])
    return pa.array(values, _types(_ITEM)[name], from_pandas=True)


def _places(one: Studied) -> dict[str, Any]:
    """The group of each item at each level."""
    if one.clusters is None:
        return {}
    found: dict[str, Any] = {"confidence": one.clusters.confidence, "second": _numbers(one.clusters.second)}
    for level in one.clusters.levels.values():
        names = {cluster.number: cluster.name for cluster in level.clusters}
        found[level.name] = _numbers(level.labels)
        found[f"{level.name}_name"] = [names.get(number) for number in level.labels.tolist()]
    return found


def _strangeness(one: Studied) -> dict[str, Any]:
    found = one.outliers
    if found is None:
        return {}
    return {"outlier": found.flags, "outlier_score": found.scores, "outlier_p": found.p_values}


def _strangers(one: Studied) -> Iterator[Row]:
    """The strangest items with what can be said of them, the strangest first."""
    for stranger in one.outliers.strangest if one.outliers else ():
        yield {"space": one.sample.space, **asdict(stranger)}


def _suspects(one: Studied) -> Iterator[Row]:
    """Items that look mislabelled, and values for those that have none, by column."""
    for found in one.labels:
        for name, label, suggested, confidence in found.rows().values:
            told = {
                "label": None if label is None else str(label),
                "suggested": str(suggested),
                "confidence": confidence,
            }
            yield {"space": one.sample.space, "column": found.column, "id": name, **told}


def _copies(one: Studied) -> Iterator[Row]:
    """A row a member of a group, the kept one first."""
    for at, group in enumerate(one.duplicates.groups if one.duplicates else ()):
        shared = {"space": one.sample.space, "group": at, "kind": group.kind, "kept_id": group.kept}
        for name in (group.kept, *group.ids):
            yield {**shared, "id": name, "kept": name == group.kept, "widest": group.widest}


def _axes(one: Studied) -> Iterator[Row]:
    """A row an axis; what is said of the first alone is missing of the others."""
    found = one.shape
    if found is None:
        return
    total = 0.0
    for at, share in enumerate(found.axes.shares.tolist()):
        total += share
        row: Row = {"space": one.sample.space, "axis": at + 1, "share": share, "cumulative": min(total, 1.0)}
        if at < len(found.axes):
            low, high = ([one.sample.ids[position] for position in end] for end in found.ends[at])
            steady = float(found.axes.steadiness[at])
            row |= {"steadiness": None if math.isnan(steady) else steady, "low": low, "high": high}
        yield row


def _ties(one: Studied) -> Iterator[Row]:
    """Columns along axes: of values those at either end, of numbers and times (unix seconds) the medians there."""
    for tie in one.shape.ties if one.shape else ():
        ends = ("low_median", "high_median") if isinstance(tie.low, float) else ("low", "high")
        told = {"column": tie.column, "share": tie.share, "p_value": tie.p_value, "items": tie.items}
        row = {"space": one.sample.space, "axis": tie.axis + 1, **told, "correlation": tie.correlation}
        yield row | dict(zip(ends, (tie.low, tie.high), strict=True))


def _numbers(labels: Int64) -> list[int | None]:
    return [number if number >= 0 else None for number in labels.tolist()]


def _metadata(one: Studied) -> list[Column]:
    """The columns of metadata, those that studies wrote left out: they are here under names that do not change."""
    written = {name for study in keep.history(one.sample.engine) for name in study.columns.values()}
    return [column for column in one.sample.snapshot.columns if column.name not in written]


def _clusters(one: Studied) -> Iterator[Row]:
    for level in one.clusters.levels.values() if one.clusters else ():
        for cluster in level.clusters:
            yield {"space": one.sample.space, "level": level.name, **asdict(cluster)}


def _none(types: Mapping[str, str]) -> pa.Table:
    return _listed(types, [])


def _listed(types: Mapping[str, str], rows: list[Row]) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_pylist(rows, schema=pa.schema(list(_types(types).items())))


def _types(names: Mapping[str, str]) -> dict[str, pa.DataType]:
    """Arrow types by name; "[...]" is a list of them."""
    import pyarrow as pa

    plain = {"text": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}
    return {
        name: pa.list_(plain[given.strip("[]")]) if given.startswith("[") else plain[given]
        for name, given in names.items()
    }


def _silent(page: Page) -> Page:
    """The page without its pictures and sounds."""
    sections = [replace(one, points=replace(one.points, media={}), decoded=()) for one in page.sections]
    return replace(page, sections=sections)


_LISTS: dict[str, tuple[Mapping[str, str], Callable[[Studied], Iterator[Row]]]] = {
    "clusters": (_CLUSTER, _clusters),
    "outliers": (_STRANGER, _strangers),
    "duplicates": (_COPY, _copies),
    "labels": (_LABEL, _suspects),
    "axes": (_AXIS, _axes),
    "axis_columns": (_TIE, _ties),
}


def _parquet(path: Path, table: pa.Table) -> Path:
    import pyarrow.parquet as pq

    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")
    return path
