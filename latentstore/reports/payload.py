"""What the map of one space needs, packed: arrays as one deflated block, strings as another, the rest as JSON.

Coordinates are 16-bit steps over the larger side of the map, so that both axes keep one scale; 65535 in both is no place. Texts are
cut to what a glance takes in, shorter where points are many. Nothing here depends on the order in which dicts were filled.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentstore.reports import html, palette
from latentstore.reports.model import Column, Level, Points, Section
from latentstore.types import Float64, Int64

STEPS = 65000
NOWHERE = 65535
TEXT_BUDGET = 12_000_000  # characters


def payload(section: Section) -> dict[str, Any]:
    """Everything that the map of this space draws, as JSON."""
    places = scaled(np.asarray(section.points.coordinates, np.float64))
    arrays: dict[str, NDArray[Any]] = {"places": np.nan_to_num(places, nan=NOWHERE).astype("<u2")}
    if section.confidence is not None:
        arrays["confidence"] = np.round(np.clip(np.nan_to_num(section.confidence), 0, 1) * 255).astype("u1")
    if section.shown and section.second is not None:
        arrays["second"] = _positions(section.shown, section.second).astype("<i4")
    if section.outliers:
        arrays["scores"] = np.asarray(section.outliers.scores, "<f4")
        arrays["flags"] = np.asarray(section.outliers.flags, "u1")
    levels = [_level(level, at, places, arrays) for at, level in enumerate(section.levels)]
    columns = [_column(column, at, arrays) for at, column in enumerate(section.columns)]
    return {
        "n": len(section.points),
        "modality": section.modality,
        "levels": levels,
        "level": next((at for at, level in enumerate(section.levels) if level is section.shown), -1),
        "columns": columns,
        "arrays": [[name, array.dtype.str.lstrip("<|"), int(array.size)] for name, array in arrays.items()],
        "block": html.packed(b"".join(array.tobytes() for array in arrays.values())),
        "strings": html.packed(json.dumps(_strings(section.points)).encode()),
    }


def media(section: Section) -> dict[str, list[str]]:
    """Pictures and sounds: type, base64, description; by point, and what models decoded by `decoded`."""
    shown = {str(point): one for point, one in sorted(section.points.media.items())}
    shown |= {decoded(at): one for at, one in enumerate(section.decoded)}
    return {
        name: [one.mime, b64encode(one.data).decode("ascii"), html.clean(one.description)]
        for name, one in shown.items()
    }


def decoded(at: int) -> str:
    """The name by which the page's script finds what a model decoded."""
    return f"d{at}"


def scaled(coordinates: Float64) -> Float64:
    """(n, 2) in 0..STEPS, y downwards, the larger side filled and the other in the middle; NaN where there is no place."""
    placed = coordinates[np.isfinite(coordinates).all(1)]
    if not len(placed):
        return np.full(coordinates.shape, np.nan)
    low, high = placed.min(0), placed.max(0)
    side = float((high - low).max()) or 1.0
    inside: Float64 = ((coordinates - (low + high) / 2) / side * [1, -1] + 0.5) * STEPS
    inside[~np.isfinite(inside).all(1)] = np.nan
    return inside


def colours(level: Level, places: Float64) -> tuple[Int64, Float64]:
    """The colour (k,) of each cluster of a level, and where (k, 2) its name stands on the map."""
    centres = palette.centres(places, _positions(level, level.labels), len(level.clusters))
    return palette.assign(centres), centres


def _positions(level: Level, labels: Int64) -> Int64:
    # Numbers persist from run to run and have gaps; the page counts clusters as they are listed.
    at = {cluster.number: position for position, cluster in enumerate(level.clusters)}
    numbers, inverse = np.unique(np.asarray(labels, np.int64), return_inverse=True)
    return np.array([at.get(int(one), -1) for one in numbers], np.int64)[inverse.reshape(-1)]


def _level(level: Level, at: int, places: Float64, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    arrays[f"level{at}"] = _positions(level, level.labels).astype("<i4")
    painted, centres = colours(level, places)
    clusters = [
        [
            html.clean(one.name),
            one.number,
            one.size,
            int(colour),
            *(None if np.isnan(x) else round(float(x)) for x in middle),
        ]
        for one, colour, middle in zip(level.clusters, painted, centres, strict=True)
    ]
    return {"name": level.name, "clusters": clusters}


def _column(column: Column, at: int, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    named = {"name": html.clean(column.name), "kind": column.kind}
    if column.kind != "category":
        arrays[f"column{at}"] = np.array([np.nan if one is None else one for one in column.values], "<f8")
        return named
    counts = Counter(str(one) for one in column.values if one is not None)
    values = [value for value, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))]
    place = {value: position for position, value in enumerate(values)}
    arrays[f"column{at}"] = np.array([-1 if one is None else place[str(one)] for one in column.values], "<i4")
    return {**named, "values": [html.cut(html.clean(value), 80) for value in values]}


def _strings(points: Points) -> dict[str, list[str]]:
    limit = min(max(TEXT_BUDGET // max(len(points), 1), 80), 300)
    return {
        "ids": [html.clean(one) for one in points.ids],
        "texts": [html.clean(html.cut(one or "", limit)) for one in points.texts],
        "uris": [html.clean(one or "") for one in points.uris],
    }
