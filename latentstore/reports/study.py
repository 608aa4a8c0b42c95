"""study: one space, through every analysis that a report tells of. What cannot be done there is a note, not an error."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from latentstore.analysis import outliers
from latentstore.analysis.progress import Progress
from latentstore.collection import Collection
from latentstore.engine.studies import keep
from latentstore.engine.studies.sample import Sample
from latentstore.errors import Corrupted, InvalidInput
from latentstore.findings.labels import Labels
from latentstore.reports import checks, columns, latents, shape, since
from latentstore.reports.html import percent
from latentstore.reports.model import Method
from latentstore.reports.studied import Options, Studied
from latentstore.storage.columns import MODALITY
from latentstore.types import Modality

T = TypeVar("T")
_GRAPH = outliers.K  # neighbours of an item; no study asks for more
_SPLITS = frozenset(
    {"split", "fold", "subset", "partition"}
)  # names of columns that part a data set for training and testing

_BASES = {
    "valley": "the threshold lies in a valley between copies and the rest",
    "tenth": "no valley parts copies from the rest: the threshold is a tenth of the typical squared distance to the nearest",
    "given": "the threshold was given",
}


def run(collection: Collection, sample: Sample, asked: Options, progress: Progress) -> Studied:
    """Everything that is found in one space with at least one item."""
    return _Run(collection, sample, asked, progress).all()


class _Run:
    def __init__(self, collection: Collection, sample: Sample, asked: Options, progress: Progress) -> None:
        self.space = collection.space(sample.space)
        self.collection, self.engine = collection, collection.engine
        self.sample, self.asked, self.progress = sample, asked, progress
        self.keeping = asked.keep and not self.engine.read_only
        self.reached = 0.0
        self.found = Studied(sample, modality(sample), self.engine.space(sample.space).row.encoder)

    def all(self) -> Studied:
        began = time.perf_counter()
        self._graph()
        self._columns()
        self._clusters()
        self._outliers()
        self._duplicates()
        self._shape()
        self._latents()
        self._map()
        self._labels()
        self._since(began)
        return self.found

    def _try(self, what: str, shares: tuple[float, float], make: Callable[[Progress], T]) -> T | None:
        """What an analysis finds, or None with a note where the items are not such as it can work on."""

        def told(step: str, share: float) -> None:
            # An analysis has several steps, each from 0 to 1: what was reached is never taken back.
            self.reached = max(self.reached, shares[0] + (shares[1] - shares[0]) * min(1.0, share))
            self.progress(step, self.reached)

        told(what, 0.0)
        try:
            return make(told)
        except InvalidInput as why:
            self.found.notes.append(f"no {what}: {why}")
            return None

    def _graph(self) -> None:
        began = time.perf_counter()
        graph = self._try("neighbours", (0.0, 0.2), lambda told: self.sample.graph(_GRAPH, told))
        if graph is None:
            return
        how = f"the {graph.k} nearest of each item, by {self.sample.metric} distance"
        facts = {"recall": round(graph.recall, 4), "search": "exact" if graph.recall == 1 else "approximate"}
        self._method("Neighbours", how, {"k": graph.k}, began, facts)
        if self.engine.space(self.sample.space).row.metric is not self.sample.metric:
            self.found.notes.append(
                "vectors of this space are compared by inner product in searches, and by the angle here"
            )

    def _columns(self) -> None:
        began = time.perf_counter()
        written = {name for study in keep.history(self.engine) for name in study.columns.values()}
        values = {name: self.sample.column(name) for name in self.sample.columns}
        chosen = columns.choose(values, self.sample.uris, written)
        self.found.columns = chosen.columns
        left_out = "; ".join(f"{name} {why}" for name, why in chosen.left_out.items())
        how = "shares of values, and middles of numbers, in each group" + (
            f". Left out: {left_out}" if left_out else ""
        )
        self._method("Columns", how, {}, began, {"shown": len(chosen.columns)})

    def _clusters(self) -> None:
        began = time.perf_counter()
        found = self._try(
            "groups",
            (0.2, 0.4),
            lambda told: self.space.cluster(
                seed=self.asked.seed, where=self.asked.where, keep=self.asked.keep, progress=told
            ),
        )
        if found is None:
            return
        self.found.clusters = found
        how = (
            "communities of the neighbour graph at three levels; stability is how well a group comes back when halves of the "
            "items are grouped again (Hennig 2007)"
        )
        self._method("Groups", how, {"method": found.method, "level": found.level}, began, plain(found.facts))

    def _duplicates(self) -> None:
        began = time.perf_counter()
        split = self._split()
        found = self._try(
            "duplicates",
            (0.5, 0.6),
            lambda told: self.space.duplicates(
                split=split, where=self.asked.where, keep=self.asked.keep, progress=told
            ),
        )
        if found is None:
            return
        self.found.duplicates = found
        how = f"equal content, and items of other content within a distance of {found.threshold:.3g}; {_BASES[found.basis]}"
        parameters = {"threshold": found.threshold, **({"split": split} if split else {})}
        self._method("Duplicates", how, parameters, began, {"recall": round(found.recall, 4)})

    def _outliers(self) -> None:
        began = time.perf_counter()
        found = self._try(
            "outliers",
            (0.4, 0.5),
            lambda told: self.space.outliers(
                seed=self.asked.seed, where=self.asked.where, keep=self.asked.keep, progress=told
            ),
        )
        if found is None:
            return
        self.found.outliers = found
        how = (
            "every item is scored by how unlike its surroundings it is, the score is turned into a conformal p-value, and those are "
            f"flagged of which at most {percent(found.fdr)} are expected to be false alarms (Benjamini & Hochberg 1995)"
        )
        self._method("Outliers", how, {"method": found.method, "fdr": found.fdr}, began, plain(found.facts))

    def _shape(self) -> None:
        began = time.perf_counter()
        found = self._try("the shape of the space", (0.6, 0.65), lambda told: self._measured())
        if found is None:
            return
        self.found.shape = found
        facts = {"items apart from all others": found.dimension.rows, "tests": found.tests}
        self._method("Shape", shape.HOW, {"axes told": len(found.axes)}, began, facts)

    def _measured(self) -> shape.Found:
        return shape.measure(self.sample, self.sample.graph(_GRAPH), self.found.columns)

    def _latents(self) -> None:
        for name in latents.spaces(self.sample):
            own = self.found.shape.axes if self.found.shape and name == self.sample.space else None
            try:
                found = self._try(
                    f"account of {name}",
                    (0.65, 0.7),
                    partial(latents.measure, self.collection, self.sample, name, own, self.asked.seed),
                )
            except Corrupted as why:
                self.found.notes.append(f"no account of {name}: {why}")
                continue
            if found is not None:
                self.found.latents.append(found)

    def _map(self) -> None:
        began = time.perf_counter()
        found = self._try(
            "a map",
            (0.7, 0.95),
            lambda told: self.space.map(
                seed=self.asked.seed, where=self.asked.where, keep=self.asked.keep, progress=told
            ),
        )
        if found is None:
            return
        self.found.map = found
        how = (
            "the neighbour graph laid out in the plane; trustworthiness falls where items lie together that are not alike, "
            "continuity where items that are alike lie apart (Venna & Kaski 2001)"
        )
        facts = {"trustworthiness": found.trustworthiness, "continuity": found.continuity, "measured on": found.asked}
        self._method("Map", how, {"method": found.method}, began, facts)

    def _labels(self) -> None:
        """Columns that nobody asked about are looked at, and nothing of that is kept."""
        own = [column for column in self.found.columns if column.name in self.sample.columns]
        for name in checks.candidates(own, self.sample.graph(_GRAPH)):
            began = time.perf_counter()
            found = self._try(
                f"labels of {name}",
                (0.95, 1.0),
                partial(self._told_apart, name),
            )
            if found is not None:
                self.found.labels.append(found)
                how = f"{name} of each item is read off its neighbours and by a linear model, without looking at its own (cross-validated)"
                facts = {"items": found.items, "balanced accuracy": round(found.balanced, 4)}
                self._method("Labels", how, {"column": name}, began, facts)

    def _told_apart(self, name: str, told: Progress) -> Labels:
        return self.space.labels(name, self.asked.seed, where=self.asked.where, keep=False, progress=told)

    def _split(self) -> str | None:
        """A column that parts the items for training and testing, by its name."""
        there = [one.name for one in self.found.columns if one.kind == "category" and one.name.casefold() in _SPLITS]
        return there[0] if there else None

    def _since(self, began: float) -> None:
        sample, seed = self.sample, self.asked.seed
        last = keep.last(self.engine, since.KIND, sample.space)
        self.found.changes = since.changes(sample, self.found.clusters, last, seed)
        if self.keeping:
            keep.keep(
                self.engine, sample, since.outcome(sample, self.found.clusters, seed, time.perf_counter() - began)
            )

    def _method(self, what: str, how: str, parameters: dict[str, Any], began: float, facts: dict[str, Any]) -> None:
        seconds = time.perf_counter() - began
        self.found.methods.append(Method(what, how, parameters, self.asked.seed, seconds, facts))


def modality(sample: Sample) -> str:
    """What most items are: "image" or "audio" where the store knows, "text" where they have one, else "vector"."""
    kinds = Counter(sample.column(MODALITY) if MODALITY in sample.columns else [])
    kind, count = max(kinds.items(), key=lambda one: one[1], default=(None, 0))
    if kind in (Modality.IMAGE, Modality.AUDIO) and 2 * count > len(sample):
        return str(kind)
    texts = sum(bool(text) for text in sample.texts)
    return str(Modality.TEXT if 2 * texts > len(sample) else Modality.VECTOR)


def plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Those facts that are one value: a page has no room for a curve in a word."""
    return {name: value for name, value in facts.items() if isinstance(value, str | int | float | bool)}
