"""How well strange items are told from normal ones, beside others' detectors. Run: python -m benchmarks.outliers

Area under the ROC curve of the scores, each set fitted and scored whole and without labels. Nothing is set: each detector runs as it
comes, the rivals as pyod (`pip install -e '.[bench]'`) ships them. Embeddings are measured by the angle, tables by distance.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks import labelled
from benchmarks.labelled import Outliers
from benchmarks.report import Bound, save, table
from latentstore.analysis import outliers
from latentstore.analysis.neighbors import knn
from latentstore.types import Float32, Float64, Metric

RIVALS = ("KNN", "LOF", "IForest", "ECOD")
Contender = Callable[[Float32, Metric], Float64]


def ours(vectors: Float32, metric: Metric) -> Float64:
    graph = knn(vectors, min(outliers.K, len(vectors) - 1), metric)
    return outliers.score(vectors, graph, metric).scores


def rival(name: str) -> Contender:
    def scores(vectors: Float32, metric: Metric) -> Float64:
        from importlib import import_module

        detector = getattr(import_module(f"pyod.models.{name.lower()}"), name)
        by_angle = {"metric": "cosine"} if metric is Metric.COSINE and name in ("KNN", "LOF") else {}
        seed = {"random_state": 0} if name == "IForest" else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found: Float64 = detector(**by_angle, **seed).fit(vectors).decision_scores_
        return found

    return scores


CONTENDERS: dict[str, Contender] = {"latentstore": ours, **{name: rival(name) for name in RIVALS}}


def main() -> None:
    groups = {
        "embeddings": (labelled.embeddings(), Metric.COSINE),
        "requests": ([labelled.requests()], Metric.COSINE),
        "tables": (labelled.tables(), Metric.L2),
    }
    found = {name: _measured(sets, metric) for name, (sets, metric) in groups.items()}
    means: list[dict[str, Any]] = [
        {"sets": f"{name} ({len(rows)})"} | {by: float(np.mean([row[by] for row in rows])) for by in CONTENDERS}
        for name, rows in found.items()
    ]
    table("AUROC, mean of sets", means)
    by_name = dict(zip(found, means, strict=True))
    bounds = [
        Bound("embeddings, mean AUROC", 0.835, by_name["embeddings"]["latentstore"], least=True),
        Bound("requests out of scope, AUROC", 0.915, by_name["requests"]["latentstore"], least=True),
        *(
            Bound(
                f"tables, mean AUROC beside {name}",
                by_name["tables"][name],
                by_name["tables"]["latentstore"],
                least=True,
            )
            for name in RIVALS
        ),
    ]
    save("outliers", {"largest": labelled.LARGEST}, {"means": means, "sets": found}, bounds)


def _measured(sets: Iterable[Outliers], metric: Metric) -> list[dict[str, Any]]:
    rows = []
    for one in sets:
        row: dict[str, Any] = {"set": one.name, "n": len(one.strange), "strange": int(one.strange.sum())}
        for name, contender in CONTENDERS.items():
            began = perf_counter()
            row[name] = round(float(roc_auc_score(one.strange, contender(one.vectors, metric))), 4)
            row[f"{name}, s"] = round(perf_counter() - began, 2)
        rows.append(row)
        print(row, flush=True)
    return rows


if __name__ == "__main__":
    main()
