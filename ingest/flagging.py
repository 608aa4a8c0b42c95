"""Flags at the door: how strange each new item is, by the outliers that were last kept of its space, as metadata of the item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from latentstore import Collection, InvalidInput, Item
from latentstore.findings.outliers import Scores


class Flagging:
    """Made once a job, for one collection. Raises InvalidInput where no space has outliers to judge by.

    Every item of a batch is judged against what was there when the job began; the false discovery rate holds in each batch.
    """

    def __init__(self, collection: Collection) -> None:
        studied = {study.space for study in collection.studies() if study.kind == "outliers"}
        self._judges = {
            name: collection.space(name).judge() for name in collection.spaces(latent=False) if name in studied
        }
        if not self._judges:
            raise InvalidInput(
                f"collection {collection.name!r} has no outliers to judge new items by; "
                "find them first, and keep that: latentstore outliers STORE"
            )

    def told(self, items: list[Item], vectors: Mapping[str, list[Any]]) -> list[Item]:
        """The items with the columns of each study, for those that have a vector in its space."""
        out = list(items)
        for name, judge in self._judges.items():
            at = [position for position, vector in enumerate(vectors.get(name, ())) if vector is not None]
            if at:
                judged = judge.score(np.stack([vectors[name][position] for position in at]).astype(np.float32))
                for position, found in zip(at, _columns(judged), strict=True):
                    out[position] = replace(out[position], metadata={**out[position].metadata, **found})
        return out


def _columns(judged: Scores) -> list[dict[str, Any]]:
    names = [judged.study.columns[plain] for plain in ("outlier", "outlier_score", "outlier_p")]
    values = zip(judged.flags.tolist(), judged.scores.tolist(), judged.p_values.tolist(), strict=True)
    return [dict(zip(names, row, strict=True)) for row in values]
