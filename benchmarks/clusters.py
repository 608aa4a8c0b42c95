"""How well clusters match the topics that people gave, beside the recipes of others. Run: python -m benchmarks.clusters

Four sets of short texts, at most 4,500 rows of each drawn at random, three draws; adjusted Rand index and adjusted mutual
information, noise counted as one cluster, and the share of rows that are noise. Nobody is told the number of topics, but for the two
lines that say so. Rivals come with `pip install -e '.[bench]'`: EVoC; BERTopic's recipe (UMAP to 5 dimensions, HDBSCAN);
HDBSCAN on the vectors themselves, one draw; k-means++ of scikit-learn.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score

from benchmarks import labelled
from benchmarks.labelled import Texts
from benchmarks.report import Bound, save, table
from latentstore.analysis import clusters
from latentstore.analysis.neighbors import knn
from latentstore.types import Float32, Int64, Metric

DRAWS = 3
GOALS = {"Banking77": 0.58, "CLINC150": 0.73, "StackOverflow": 0.64, "SearchSnippets": 0.55}
Contender = Callable[[Float32, int, int], Int64]  # vectors, how many topics there are, seed


def ours(vectors: Float32, _topics: int, seed: int) -> Int64:
    return clusters.partition(vectors, knn(vectors, clusters.K, Metric.COSINE), Metric.COSINE, seed=seed).levels[
        "medium"
    ]


def ours_given_k(vectors: Float32, topics: int, seed: int) -> Int64:
    graph = knn(vectors, clusters.K, Metric.COSINE)
    return clusters.partition(vectors, graph, Metric.COSINE, k=topics, seed=seed).levels["medium"]


def kmeans_given_k(vectors: Float32, topics: int, seed: int) -> Int64:
    found: Int64 = KMeans(topics, n_init=3, random_state=seed).fit_predict(vectors)
    return found


def bertopic(vectors: Float32, _topics: int, seed: int) -> Int64:
    from umap import UMAP

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flat = UMAP(n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", random_state=seed)
        found: Int64 = HDBSCAN(min_cluster_size=10).fit_predict(flat.fit_transform(vectors))
    return found


def evoc(vectors: Float32, _topics: int, _seed: int) -> Int64:
    from evoc import EVoC

    found: Int64 = EVoC().fit_predict(vectors)
    return found


def hdbscan(vectors: Float32, _topics: int, _seed: int) -> Int64:
    found: Int64 = HDBSCAN(min_cluster_size=10).fit_predict(vectors)
    return found


CONTENDERS: dict[str, Contender] = {
    "latentstore": ours,
    "BERTopic's recipe": bertopic,
    "EVoC": evoc,
    "HDBSCAN": hdbscan,
    "latentstore, k given": ours_given_k,
    "k-means++, k given": kmeans_given_k,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--only", metavar="NAME", help=f"one of {', '.join(CONTENDERS)}")
    only = parser.parse_args().only
    rows = []
    for texts in labelled.topics():
        for name, contender in CONTENDERS.items():
            if only in (None, name):
                rows.append(_measured(texts, name, contender, 1 if contender is hdbscan else DRAWS))
                print(rows[-1], flush=True)
    table("agreement with people's topics", [{key: row[key] for key in row if key != "draws"} for row in rows])
    if only is None:
        save("clusters", {"rows": labelled.ROWS, "draws": DRAWS}, rows, _bounds(rows))


def _measured(texts: Texts, name: str, contender: Contender, draws: int) -> dict[str, Any]:
    found = [_once(texts.drawn(seed), contender, seed) for seed in range(draws)]
    means = {key: round(float(np.mean([one[key] for one in found])), 3) for key in found[0]}
    return {"set": texts.name, "by": name, **means, "draws": [one["ari"] for one in found]}


def _once(texts: Texts, contender: Contender, seed: int) -> dict[str, float]:
    began = perf_counter()
    labels = contender(texts.vectors, len(np.unique(texts.labels)), seed)
    return {
        "ari": round(float(adjusted_rand_score(texts.labels, labels)), 4),
        "ami": float(adjusted_mutual_info_score(texts.labels, labels)),
        "clusters": float(len(np.unique(labels[labels >= 0]))),
        "noise": float(np.mean(labels < 0)),
        "seconds": perf_counter() - began,
    }


def _bounds(rows: list[dict[str, Any]]) -> list[Bound]:
    ari = {(row["set"], row["by"]): row["ari"] for row in rows}
    bounds = [Bound(f"{name}, ARI", goal, ari[name, "latentstore"], least=True) for name, goal in GOALS.items()]
    for name in GOALS:
        best = max(ari[name, rival] for rival in ("BERTopic's recipe", "EVoC", "HDBSCAN"))
        bounds.append(Bound(f"{name}, ARI beside the best rival's", best, ari[name, "latentstore"], least=True))
        given = ari[name, "k-means++, k given"] + 0.03
        bounds.append(
            Bound(f"{name}, k given, ARI beside k-means++", given, ari[name, "latentstore, k given"], least=True)
        )
    return bounds


if __name__ == "__main__":
    main()
