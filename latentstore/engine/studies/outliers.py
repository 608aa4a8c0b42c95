"""Outliers of a space: scored, flagged, explained and kept; and the judge that a kept run makes, for items that come later."""

from __future__ import annotations

import math
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from latentstore.analysis import conformal, outliers, reasons
from latentstore.analysis.lookup import Lookup
from latentstore.analysis.neighbors import Graph
from latentstore.analysis.outliers import Model, Scored
from latentstore.analysis.progress import Progress, silent
from latentstore.engine.core import Engine
from latentstore.engine.encoding import Encoders
from latentstore.engine.latents import unexplained
from latentstore.engine.studies import clusters
from latentstore.engine.studies.keep import Outcome, keep, last
from latentstore.engine.studies.sample import Sample, take
from latentstore.errors import InvalidInput
from latentstore.findings.outliers import Outlier, Outliers, Scores
from latentstore.findings.study import Study
from latentstore.types import Bool, Float32, Float64, Metric

KIND = "outliers"
COLUMNS = ("outlier", "outlier_score", "outlier_p")
_BY_MODEL = "fitted"  # among the facts where the model of a latent space was asked: its fingerprint
_LISTED = (50, 200)  # items with reasons: at least, and at most where more are flagged


@dataclass(frozen=True)
class Asked:
    """method: one of METHODS; fdr: the share of flagged items that may be flagged wrongly, between 0 and 1."""

    method: str = "auto"
    fdr: float = conformal.FDR
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in outliers.METHODS:
            raise InvalidInput(f"method must be one of {', '.join(outliers.METHODS)}, got {self.method!r}")
        checked_rate(self.fdr)
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed < 1 << 31:
            raise InvalidInput(f"seed must be a whole number from 0 to 2³¹ - 1, got {self.seed!r}")


def checked_rate(fdr: float) -> float:
    """Raises InvalidInput."""
    number = isinstance(fdr, int | float) and not isinstance(fdr, bool)
    if not number or not math.isfinite(fdr) or not 0 < fdr < 1:
        raise InvalidInput(f"fdr must be a share between 0 and 1, as 0.05, got {fdr!r}")
    return float(fdr)


def run(
    engine: Engine,
    space: str | None,
    asked: Asked,
    where: str | None = None,
    *,
    keeping: bool = True,
    progress: Progress = silent,
) -> Outliers:
    """Score the items of a space. Kept unless the store is read-only. Raises InvalidInput where there are none."""
    began = time.perf_counter()
    sample = take(engine, space, where)
    sample.thin(1, "outliers")
    graph = sample.graph(outliers.K, progress)
    scored = _scored(engine, sample, graph, asked, progress)
    p = conformal.own(scored.scores)
    flags = conformal.flags(p, asked.fdr)
    result = Outliers(
        *(sample.space, asked.method, asked.fdr, asked.seed, list(sample.ids), scored.scores, p, flags),
        *(_explained(engine, sample, graph, scored.scores, p, flags), scored.model.facts, graph.recall),
    )
    if not keeping or engine.read_only:
        return result
    outcome = _outcome(result, sample, scored, where, time.perf_counter() - began)
    return replace(result, study=keep(engine, sample, outcome))


def _scored(engine: Engine, sample: Sample, graph: Graph, asked: Asked, progress: Progress) -> Scored:
    """In a space that a model made, what cannot be reconstructed is what that model does not explain."""
    if asked.method != "reconstruction" or not sample.view.row.latent:
        return outliers.score(
            sample.vectors, graph, sample.metric, method=asked.method, seed=asked.seed, progress=progress
        )
    errors = unexplained.errors(engine, sample.snapshot, sample.view, sample.rows, progress)
    gone = np.flatnonzero(np.isnan(errors))
    if len(gone):
        raise InvalidInput(
            f"of {len(gone):,} of {len(errors):,} items nothing is at hand any more that the model of space {sample.space!r} could see, "
            f"the first is {sample.ids[gone[0]]!r}; bring their files back, leave them out by a filter, or take another method"
        )
    return Scored(
        errors, Model(asked.method, sample.metric, {"rows": len(errors), _BY_MODEL: sample.view.row.fingerprint})
    )


def _explained(
    engine: Engine, sample: Sample, graph: Graph, scores: Float64, p: Float64, flags: Bool
) -> tuple[Outlier, ...]:
    count = min(len(sample), max(_LISTED[0], min(int(flags.sum()), _LISTED[1])))
    rows = np.argsort(-scores, kind="stable")[:count]
    near = reasons.nearest(graph, flags, rows)
    times = reasons.times(graph, rows).tolist()
    named = _clusters(engine, sample)
    ids, texts = sample.ids, sample.texts
    return tuple(
        Outlier(
            *(ids[row], float(scores[row]), float(p[row]), bool(flags[row]), tuple(ids[at] for at in around)),
            None if math.isnan(far) else far,
            _most([named[at] for at in around]) if named else None,
            reasons.words(texts, graph, flags, row),
        )
        for row, around, far in zip(rows.tolist(), near, times, strict=True)
    )


def _clusters(engine: Engine, sample: Sample) -> list[str | None]:
    """The name of the kept cluster of each item, None for one without; nothing where no clusters were kept."""
    kept = last(engine, clusters.KIND, sample.space)
    if kept is None:
        return []
    level = kept.study.summary["level"]
    labels = kept.arrays.get(f"labels_{level}")
    if labels is None:
        return []
    names = {one["number"]: one["name"] for one in kept.study.summary["levels"][level]["clusters"]}
    of_row = dict(zip(kept.arrays["rows"].tolist(), labels.tolist(), strict=True))
    return [names.get(of_row.get(row, -1)) for row in sample.rows.tolist()]


def _most(names: list[str | None]) -> str | None:
    counted = Counter(name for name in names if name is not None)
    return counted.most_common(1)[0][0] if counted else None


def _outcome(result: Outliers, sample: Sample, scored: Scored, where: str | None, seconds: float) -> Outcome:
    model = scored.model
    return Outcome(
        *(KIND, {"method": result.method, "fdr": result.fdr, "where": where}, result.seed, seconds),
        summary={
            "flagged": int(result.flags.sum()),
            "recall": result.recall,
            "metric": model.metric.value,
            "facts": dict(model.facts),
        },
        arrays={
            "rows": sample.rows,
            "scores": result.scores,
            **{f"model.{name}": array for name, array in model.arrays.items()},
        },
        columns=dict(zip(COLUMNS, (result.flags, result.scores, result.p_values), strict=True)),
    )


@dataclass(frozen=True)
class Judge:
    """What the run last kept in a space says of items that are not in the store. Made by `judge`; good for many batches.

    reference: the vectors of the items that were scored, laid out to be compared with, None where the model of the space was asked
    what it does not explain; known: their scores.
    """

    study: Study
    model: Model
    reference: Lookup | None
    known: Float64

    def score(self, vectors: Float32, fdr: float | None = None) -> Scores:
        """Of (q, dim) vectors. fdr: among these items; None takes that of the run. Raises InvalidInput where vectors cannot tell."""
        if self.reference is None:
            raise InvalidInput(
                f"the outliers of space {self.study.space!r} are what its model does not explain, which a vector does not tell; give "
                "the items themselves to space.score"
            )
        return self.of(outliers.judge(self.model, self.reference, vectors) if len(vectors) else np.empty(0), fdr)

    def of(self, scores: Float64, fdr: float | None = None) -> Scores:
        """Scores (q,) held against those of the items that were scored."""
        rate = float(self.study.parameters["fdr"]) if fdr is None else checked_rate(fdr)
        p = conformal.p_values(scores, self.known)
        return Scores(scores, p, conformal.flags(p, rate), rate, self.study)


def judge(engine: Engine, space: str) -> Judge:
    """The judge that the last kept run makes. Raises InvalidInput where none was kept, or none of its items is left."""
    kept = last(engine, KIND, space)
    if kept is None:
        raise InvalidInput(
            f"space {space!r} has no outliers to judge by; find them first, and keep that: latentstore outliers STORE"
        )
    sample = take(engine, space)
    study, arrays = kept
    _, here, there = np.intersect1d(sample.rows, arrays["rows"], assume_unique=True, return_indices=True)
    if not len(here):
        raise InvalidInput(f"none of the items that were scored is left in space {space!r}; find its outliers again")
    told: dict[str, Any] = dict(study.summary)
    own = {name.removeprefix("model."): array for name, array in arrays.items() if name.startswith("model.")}
    model = Model(study.parameters["method"], Metric(told["metric"]), told["facts"], own).only(there)
    known = np.asarray(arrays["scores"], dtype=np.float64)
    if _BY_MODEL in model.facts:
        return Judge(study, model, None, known)
    reference = sample.vectors if len(here) == len(sample) else sample.vectors[here]
    return Judge(study, model, outliers.reference(model, reference), known)


def score(engine: Engine, encoders: Encoders, space: str, items: Any, fdr: float | None = None) -> Scores:
    """Of new items, by the judge of the last kept run. Raises as `judge`, and InvalidInput for items that the space does not take."""
    found = judge(engine, space)
    if found.reference is None:
        return found.of(unexplained.of_new(engine, encoders, space, items), fdr)
    return found.score(encoders.encode(space, items, "document"), fdr)
