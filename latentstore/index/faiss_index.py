"""FaissIndex: graphs (HNSW) and lists (IVF) of FAISS over compressed vectors. The only module that imports FAISS.

An index never changes once it is published: FAISS may not add while others search, and adding to a mapped index ends
the process. To cover more, it is copied.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np

from latentstore.index import codes, holdout, tuning
from latentstore.index.codes import Coder
from latentstore.index.contract import Compression, Effort, Kind, Spec, Stopped, Unusable, Vectors, worth_keeping
from latentstore.index.exact import nearest
from latentstore.index.holdout import Held
from latentstore.index.tuning import Rung
from latentstore.types import Bool, Float32, Int64, Metric, UInt8

if TYPE_CHECKING:
    from collections.abc import Callable

    Progress = Callable[[int, int], None]

FORMAT = 1
_CHUNK = 8192  # vectors added between two looks at `stop`
_PART = 2048  # codes compared at a time


@functools.cache
def _faiss() -> Any:
    # Idle OpenMP threads spin by default and take the processor from whoever works.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import faiss

    return faiss


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is known of an index beside its file."""

    metric: Metric
    dim: int
    covered: int
    spec: Spec
    coder: Coder
    seed: int
    built: int  # slots covered when it was last built from scratch
    swaps: list[tuple[int, int]]  # slots that stand in each other's place: those held out went in last
    rungs: list[Rung]


class _Selected:
    """Slots as FAISS wants them. places: where the index keeps them. `codes`: their codes, kept from the second scan on."""

    def __init__(self, slots: Int64, places: Int64, covered: int) -> None:
        self.slots = slots
        self.places = places
        self.count = len(slots)
        self.params: dict[int, Any] = {}
        self.scans = 0
        self.codes: Any = None
        self._covered = covered

    @functools.cached_property
    def selector(self) -> Any:
        flags = np.zeros(self._covered, dtype=np.bool_)
        flags[self.places] = True
        return _faiss().IDSelectorBitmap(np.packbits(flags, bitorder="little"))


class FaissIndex:
    def __init__(self, index: Any, facts: _Facts) -> None:
        self._index = index
        self._facts = facts
        self.metric = facts.metric
        self.dim = facts.dim
        self.covered = facts.covered
        self._params: dict[int, Any] = {}
        self._places = _places(facts) if facts.swaps else None
        self._storage = _storage(index, facts.spec.kind)

    def effort(self, recall: float, k: int) -> Effort | None:
        return tuning.least(self._facts.rungs, recall, k)

    def search(self, queries: Float32, effort: Effort, selection: Any = None) -> Int64:
        if effort.width >= tuning.EVERY_CODE:
            return self.scan(queries, effort.depth, selection)
        params = self._parameters(effort.width, selection)
        return self._slots(_ask(self._index, self._facts.coder.queries(queries), effort.depth, params)[1])

    def scan(self, queries: Float32, depth: int, selection: Any = None) -> Int64:
        coded = self._facts.coder.queries(queries)
        if self._storage is None:
            return self._slots(_ask(self._index, coded, depth, self._parameters(self._facts.spec.lists, selection))[1])
        if selection is None:
            return self._slots(_ask(self._storage, coded, depth, None)[1])
        selection.scans += 1
        if selection.scans == 1 or not worth_keeping(selection.count, self.covered):
            return _looked_up(selection.slots, _in_parts(self._storage, selection.places, coded, depth))
        if selection.codes is None:
            selection.codes = _subset(self._storage, selection.places)
        return _looked_up(selection.slots, _ask(selection.codes, coded, depth, None)[1])

    def select(self, slots: Int64) -> _Selected:
        return _Selected(slots, slots if self._places is None else self._places[slots], self.covered)

    def outgrown(self, spec: Spec) -> bool:
        mine = self._facts.spec
        return spec.kind is not mine.kind or spec.compression is not mine.compression or spec.lists > 2 * mine.lists

    def grown(
        self, vectors: Vectors, covered: int, *, stop: Event | None = None, progress: Progress | None = None
    ) -> FaissIndex:
        faiss = _faiss()
        # A clone would be of the mapped kind too; bytes through the serialiser are memory of its own.
        copy = faiss.deserialize_index(faiss.serialize_index(self._index))
        facts = replace(self._facts, covered=covered)
        return _filled(copy, facts, vectors, self.covered, stop, progress)

    def save(self, path: Path) -> None:
        _faiss().write_index(self._index, str(path))

    def settings(self) -> dict[str, Any]:
        facts, spec = self._facts, self._facts.spec
        return {
            "format": FORMAT,
            "kind": spec.kind.value,
            "compression": spec.compression.value,
            "links": spec.links,
            "care": spec.care,
            "lists": spec.lists,
            "metric": facts.metric.value,
            "dim": facts.dim,
            "covered": facts.covered,
            "built": facts.built,
            "seed": facts.seed,
            "coder": codes.dump(facts.coder),
            "swaps": [list(pair) for pair in facts.swaps],
            "rungs": tuning.dump(facts.rungs),
        }

    def describe(self) -> dict[str, Any]:
        facts = self._facts
        return {
            "kind": facts.spec.kind.value,
            "compression": facts.spec.compression.value,
            "covered": facts.covered,
            "recall": {str(target): _described(facts.rungs, target) for target in (0.9, 0.95, 0.99)},
        }

    def _parameters(self, width: int, selection: Any) -> Any:
        kept = self._params if selection is None else selection.params
        found = kept.get(width)
        if found is None:
            found = kept[width] = _parameters(self._facts.spec.kind, width, selection)
        return found

    def _slots(self, places: Int64) -> Int64:
        return places if self._places is None else _looked_up(self._places, places)


def _looked_up(slots: Int64, places: Int64) -> Int64:
    """The slots at (q, depth) places; -1 stays -1."""
    found = slots[places]
    if places[:, -1].min() < 0:  # FAISS puts what is missing last
        found[places < 0] = -1
    return found


def _ask(index: Any, queries: Float32, depth: int, params: Any) -> tuple[Float32, Int64]:
    """(q, depth) FAISS' own distances, and places, -1 at the end."""
    # Straight to the C++ method: FAISS' own wrapper checks again what was checked above.
    q = len(queries)
    far = np.empty((q, depth), dtype=np.float32)
    places = np.empty((q, depth), dtype=np.int64)
    pointer = _faiss().swig_ptr
    index.search_c(q, pointer(queries), depth, pointer(far), pointer(places), params)
    return far, places


def _storage(index: Any, kind: Kind) -> Any:
    """The flat codes under a graph; they can be scanned by themselves. None for lists."""
    return _faiss().downcast_index(index.storage) if kind is Kind.HNSW else None


def _parameters(kind: Kind, width: int, selection: Any) -> Any:
    faiss = _faiss()
    extra = {} if selection is None else {"sel": selection.selector}
    if kind is Kind.IVF:
        return faiss.SearchParametersIVF(nprobe=width, **extra)
    return faiss.SearchParametersHNSW(efSearch=width, **extra)


def _subset(storage: Any, places: Int64) -> Any:
    """A flat index over some of the codes of another, in the order of `places`."""
    subset = _faiss().clone_index(_empty(storage))
    subset.add_sa_codes(_codes(storage).take(places, axis=0))
    return subset


def _codes(storage: Any) -> UInt8:
    """(n, code size): the codes themselves, not a copy."""
    width = storage.code_size
    every: UInt8 = _faiss().rev_swig_ptr(storage.codes.data(), storage.ntotal * width).reshape(-1, width)
    return every


def _in_parts(storage: Any, places: Int64, queries: Float32, depth: int) -> Int64:
    """The nearest among some of the codes: (q, depth) of 0..len(places)-1, closest first, -1 at the end.

    Through one small buffer: fresh memory for all of them at once takes longer to get than the codes to compare.
    """
    part, codes, found = _faiss().clone_index(_empty(storage)), _codes(storage), []
    for start in range(0, len(places), _PART):
        part.reset()
        part.add_sa_codes(codes.take(places[start : start + _PART], axis=0))
        far, near = _ask(part, queries, min(depth, part.ntotal), None)
        found.append((far, near + start))
    far = np.concatenate([far for far, _ in found], axis=1)
    near = np.concatenate([near for _, near in found], axis=1)
    order = np.argsort(far if storage.metric_type == _faiss().METRIC_L2 else -far, axis=1, kind="stable")[:, :depth]
    best = np.take_along_axis(near, order, axis=1)
    return np.pad(best, [(0, 0), (0, depth - best.shape[1])], constant_values=-1)


def _empty(storage: Any) -> Any:
    faiss = _faiss()
    if not isinstance(storage, faiss.IndexScalarQuantizer):
        return faiss.IndexFlat(storage.d, storage.metric_type)
    empty = faiss.IndexScalarQuantizer(storage.d, storage.sq.qtype, storage.metric_type)
    empty.sq = storage.sq
    empty.is_trained = True
    return empty


def _places(facts: _Facts) -> Int64:
    """(covered,) place → slot. Only pairs are swapped, so it is slot → place as well."""
    places = np.arange(facts.covered)
    pairs = np.array(facts.swaps, dtype=np.int64)
    places[pairs[:, 0]], places[pairs[:, 1]] = pairs[:, 1], pairs[:, 0]
    return places


def build(
    vectors: Vectors, metric: Metric, spec: Spec, *, seed: int = 0, stop: Event | None, progress: Progress | None
) -> FaissIndex:
    """See `base.build`."""
    sample = codes.sample_of(vectors, vectors.n, np.random.default_rng(seed))
    coder = codes.fit(sample, metric, spec.compression)
    index = _new(spec, vectors.dim, metric, coder)
    index.train(coder.vectors(sample))
    facts = _Facts(metric, vectors.dim, vectors.n, spec, coder, seed, vectors.n, [], [])
    return _filled(index, facts, vectors, 0, stop, progress)


def _new(spec: Spec, dim: int, metric: Metric, coder: Coder) -> Any:
    faiss = _faiss()
    measure = faiss.METRIC_L2 if metric is Metric.L2 else faiss.METRIC_INNER_PRODUCT
    kinds = faiss.ScalarQuantizer
    code = {
        Compression.INT8: kinds.QT_8bit_direct_signed if coder.integers else kinds.QT_8bit,
        Compression.FLOAT16: kinds.QT_fp16,
    }.get(spec.compression)
    if spec.kind is Kind.HNSW:
        graph = (
            faiss.IndexHNSWFlat(dim, spec.links, measure)
            if code is None
            else faiss.IndexHNSWSQ(dim, code, spec.links, measure)
        )
        graph.hnsw.efConstruction = spec.care
        return graph
    centroids = faiss.IndexFlat(dim, measure)
    if code is None:
        lists = faiss.IndexIVFFlat(centroids, dim, spec.lists, measure)
    else:
        lists = faiss.IndexIVFScalarQuantizer(centroids, dim, spec.lists, code, measure, False)
    # FAISS would free the centroids with the index, and Python frees them too.
    centroids.this.disown()
    lists.cp.min_points_per_centroid = 1  # no word about small samples on standard error
    lists.own_fields = True
    return lists


def _filled(
    index: Any, facts: _Facts, vectors: Vectors, start: int, stop: Event | None, progress: Progress | None
) -> FaissIndex:
    """Add slots start..covered, all but some chosen at random; measure recall with those; add them too."""
    held = holdout.choose(vectors, start, facts.covered, facts.seed)
    swaps = held.swaps(facts.covered)
    places = _places(replace(facts, swaps=swaps)) if swaps else np.arange(facts.covered)
    middle = facts.covered - len(held.slots)
    _add(index, facts, vectors, places[start:middle], (start, facts.covered), stop, progress)
    partial = FaissIndex(index, replace(facts, covered=middle))
    rungs = _measured(partial, vectors, places, held, stop)
    _add(index, facts, vectors, places[middle:], (middle, facts.covered), stop, progress)
    if facts.rungs:
        rungs = tuning.merged(facts.rungs, rungs) if rungs else facts.rungs
    return FaissIndex(index, replace(facts, swaps=facts.swaps + swaps, rungs=rungs))


def _add(
    index: Any,
    facts: _Facts,
    vectors: Vectors,
    slots: Int64,
    span: tuple[int, int],
    stop: Event | None,
    progress: Progress | None,
) -> None:
    for at in range(0, len(slots), _CHUNK):
        if stop is not None and stop.is_set():
            raise Stopped
        part = slots[at : at + _CHUNK]
        index.add(facts.coder.vectors(vectors.gather(part)))
        if progress is not None:
            progress(span[0] + at + len(part), span[1])


def _measured(index: FaissIndex, vectors: Vectors, places: Int64, held: Held, stop: Event | None) -> list[Rung]:
    """Recall of an index that lacks what is held out, with that as queries. Empty where too few queries tell something."""
    if stop is not None and stop.is_set():
        raise Stopped
    kept: Bool = np.ones(len(places), dtype=np.bool_)
    kept[held.slots] = False
    queries = vectors.gather(held.queries)
    far = nearest(queries, vectors, tuning.K, index.metric, stop=len(places), allowed=kept)[1]
    telling = holdout.apart(far, index.metric)
    if np.count_nonzero(telling) < holdout.FEWEST:
        return []

    def search(asked: Float32, effort: Effort) -> Int64:
        found = index.search(asked, effort)
        return np.where(found < 0, -1, places[found])

    efforts = tuning.ladder(index._facts.spec.kind, index._facts.spec.lists, index.covered * index.dim)
    return tuning.measure(search, queries[telling], far[telling, -1], vectors, index.metric, efforts)


def _described(rungs: list[Rung], target: float) -> dict[str, Any] | None:
    found = next((rung for rung in rungs if rung.sure >= target), None)
    if found is None:
        return None
    width = found.effort.width
    return {"effort": "every code" if width >= tuning.EVERY_CODE else width, "measured": round(found.recall, 4)}


def load(path: Path, settings: dict[str, Any]) -> FaissIndex:
    """The index in a file whose bytes were checked, mapped. Raises Unusable where the two do not fit each other."""
    if settings.get("format") != FORMAT:
        raise Unusable(f"its format is {settings.get('format')}, this version reads {FORMAT}")
    try:
        facts = _facts(settings)
        index = _faiss().read_index(str(path), _faiss().IO_FLAG_MMAP_IFC)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise Unusable(
            f"it cannot be read: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
        ) from error
    if (index.d, index.ntotal) != (facts.dim, facts.covered):
        raise Unusable(f"it holds {index.ntotal} vectors of {index.d} dimensions, not {facts.covered} of {facts.dim}")
    return FaissIndex(index, facts)


def _facts(settings: dict[str, Any]) -> _Facts:
    metric = Metric(settings["metric"])
    spec = Spec(
        Kind(settings["kind"]),
        Compression(settings["compression"]),
        int(settings["links"]),
        int(settings["care"]),
        int(settings["lists"]),
    )
    return _Facts(
        metric,
        int(settings["dim"]),
        int(settings["covered"]),
        spec,
        codes.parse(metric, settings["coder"]),
        int(settings["seed"]),
        int(settings["built"]),
        [(int(a), int(b)) for a, b in settings["swaps"]],
        tuning.parse(settings["rungs"]),
    )
