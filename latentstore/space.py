"""Space: the vectors of a collection seen through one encoder. A facade like Collection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from latentstore.analysis.progress import Progress, silent
from latentstore.encoders.base import Encoder, Role
from latentstore.engine import check, describe, features, read
from latentstore.engine.core import Engine
from latentstore.engine.encoding import Encoders
from latentstore.engine.latents import lag, versions
from latentstore.findings.change import Change
from latentstore.findings.clusters import Assigned, Clustering
from latentstore.findings.duplicates import Duplicates
from latentstore.findings.labels import Labels
from latentstore.findings.latent import Decoded, Direction, Directions, Reconstructions, Samples, Sum
from latentstore.findings.maps import ItemMap
from latentstore.findings.outliers import Outliers, Scores
from latentstore.findings.versions import Version
from latentstore.types import Float32, Float64, Metric

if TYPE_CHECKING:
    import pyarrow

    from latentstore.engine.studies.outliers import Judge
    from latentstore.latent.dataset import Vectors
    from latentstore.latent.fitted import Fitted


class Space:
    """Made by `Collection.space`."""

    def __init__(self, engine: Engine, name: str, encoders: Encoders) -> None:
        """name: of a latent space with its version, as "vae32@2", or without, which follows the active one."""
        self._key = name
        self._engine = engine
        self._encoders = encoders

    @property
    def name(self) -> str:
        """Of a latent space without its version."""
        return self._engine.space(self._key).row.base

    @property
    def version(self) -> int | None:
        """Of a latent space, counted from 1; None for a space that was not fitted."""
        return self._engine.space(self._key).row.version

    @property
    def dim(self) -> int | None:
        """Length of the vectors; None before the first."""
        return self._engine.space(self._key).row.dim

    @property
    def metric(self) -> Metric:
        return self._engine.space(self._key).row.metric

    @property
    def fingerprint(self) -> str | None:
        """Which encoder's vectors these are; None for vectors from elsewhere."""
        return self._engine.space(self._key).row.fingerprint

    @property
    def encoder(self) -> Encoder:
        """Raises EncoderMissing when there is none or it is not installed, EncoderMismatch when it is another than it was."""
        return self._encoders.of(self._key)

    def vectors(self, ids: Sequence[str] | None = None, *, where: str | None = None) -> tuple[list[str], Float32]:
        """(ids, (n, dim) float32): of the given ids in their order, of a filter, or of all in the order added."""
        return read.vectors(
            self._engine,
            self._key,
            None if ids is None else check.ids(ids),
            None if where is None else check.where(where),
        )

    def arrow(self, *, where: str | None = None) -> pyarrow.Table:
        """id, vector (fixed-size list of float32) and a column for each metadata key, in the order added; JSON stands as text."""
        return features.table(self._engine, self._key, None if where is None else check.where(where))

    def dataset(self, *, where: str | None = None) -> Vectors:
        """A torch Dataset of (vector, id), each vector a (dim,) float32 tensor; in memory, in the order added."""
        return features.dataset(*self.vectors(where=where))

    def encode(self, items: Any, *, role: Role = "document") -> Float32:
        """(n, dim) float32 of texts, Items, paths or pictures, or of vectors, as an add would see them; nothing is stored."""
        return self._encoders.encode(self._key, items, role)

    def cluster(
        self,
        method: str = "auto",
        k: int | None = None,
        level: str = "medium",
        seed: int = 0,
        *,
        where: str | None = None,
        keep: bool = True,
        progress: Progress | None = None,
    ) -> Clustering:
        """Groups of like items, named, at the levels "coarse", "medium" and "fine"; nothing needs to be set.

        method: "auto" and "kmeans" find the number of clusters unless k gives it, "hdbscan" leaves what is in no dense place
        without a cluster. The same items and seed give the same clusters in any order; a later run keeps the numbers and names
        of clusters that persist. keep: as a study and as the metadata `cluster` and `cluster_confidence` of the items, unless the
        store is read-only. Raises InvalidInput for a space without vectors, and for fewer items than k.
        """
        from latentstore.engine.studies import clusters

        asked = clusters.Asked(method, k, level, seed)
        within = None if where is None else check.where(where)
        return clusters.run(
            self._engine, self._encoders, self._key, asked, within, keeping=keep, progress=progress or silent
        )

    def assign(self, items: Any, *, level: str | None = None) -> Assigned:
        """Which of the clusters last kept each of some new items belongs to; nothing is stored. items: what `encode` takes."""
        from latentstore.engine.studies import assigning

        return assigning.assign(self._engine, self._key, self.encode(items), level)

    def duplicates(
        self,
        threshold: float | None = None,
        *,
        split: str | None = None,
        where: str | None = None,
        keep: bool = True,
        progress: Progress | None = None,
    ) -> Duplicates:
        """Items that are there twice: of the same content, or closer than a threshold that is found from the data.

        Each group is kept by the item added first; every other has its content or lies within the threshold of it. threshold:
        distance. split: a metadata column; the result's `leaks` says which items of one value have a duplicate in another.
        keep: as a study and as the metadata `duplicate_of`, unless the store is read-only. Raises InvalidInput for a space
        without vectors and for a column that is not there.
        """
        from latentstore.engine.studies import duplicates

        asked = duplicates.Asked(threshold, split)
        within = None if where is None else check.where(where)
        return duplicates.run(self._engine, self._key, asked, within, keeping=keep, progress=progress or silent)

    def map(
        self,
        method: str = "auto",
        seed: int = 0,
        *,
        where: str | None = None,
        keep: bool = True,
        progress: Progress | None = None,
    ) -> ItemMap:
        """A place in the plane for every item, items that are alike near each other, and how far that can be believed.

        method: "auto" and "tsne" lay out the neighbour graph, "pca" shows the two main axes. The same items and seed give the
        same map. keep: as a study and as the metadata `map_x` and `map_y`, unless the store is read-only. Raises
        InvalidInput for a space without vectors.
        """
        from latentstore.engine.studies import maps

        asked = maps.Asked(method, seed)
        within = None if where is None else check.where(where)
        return maps.run(self._engine, self._key, asked, within, keeping=keep, progress=progress or silent)

    def place(self, items: Any) -> Float32:
        """(m, 2) float32: where new items belong on the map last kept, whose items stay; nothing is stored. items: what
        `encode` takes. Raises InvalidInput where no map is kept.
        """
        from latentstore.engine.studies import maps

        return maps.place(self._engine, self._key, self.encode(items))

    def labels(
        self,
        column: str,
        seed: int = 0,
        *,
        accuracy: float = 0.95,
        where: str | None = None,
        keep: bool = True,
        progress: Progress | None = None,
    ) -> Labels:
        """How well the space tells a column's values apart, which of them look wrong, and values for items that have none.

        column: of metadata; texts, whole numbers or booleans, shared by five items or more; others are left out. accuracy: the
        share of suggested values that should be right; items of which the space is less sure get none. keep: as a study and
        as the metadata `<column>_suggested` and `<column>_confidence`, unless the store is read-only; the column itself
        stays as it is. Raises InvalidInput for a column that is not there and for one without classes.
        """
        from latentstore.engine.studies import labels

        asked = labels.Asked(column, accuracy, seed)
        within = None if where is None else check.where(where)
        return labels.run(self._engine, self._key, asked, within, keeping=keep, progress=progress or silent)

    def compare(
        self,
        a: str | None = None,
        b: str | None = None,
        *,
        other: Space | None = None,
        level: str = "medium",
        seed: int = 0,
        keep: bool = True,
        progress: Progress | None = None,
    ) -> Change:
        """Whether two sets of items differ beyond chance, and which clusters grew, shrank, appeared or went from a to b.

        a, b: filters that share no item; b: the rest when None. other: a space of another collection with the same encoder, which
        b is taken from; a filter that is None then means all. Clusters are those last kept where they cover both sides, else made
        for it. keep: as a study of this space, unless its store is read-only. Raises InvalidInput for an empty side and
        for sides that share items, EncoderMismatch for spaces of different encoders.
        """
        from latentstore.engine.studies import compare

        first, second = (None if one is None else check.where(one) for one in (a, b))
        asked = compare.Asked(first, second, level, seed)
        theirs = None if other is None else compare.Other(other._engine, other.name, repr(other))
        return compare.run(
            self._engine, self._encoders, self._key, asked, theirs, keeping=keep, progress=progress or silent
        )

    def outliers(
        self,
        method: str = "auto",
        fdr: float = 0.05,
        seed: int = 0,
        *,
        where: str | None = None,
        keep: bool = True,
        progress: Progress | None = None,
    ) -> Outliers:
        """How strange each item is, which are outliers, and why; nothing needs to be set.

        method: "auto", "knn", "lof", "mahalanobis", "iforest" or "reconstruction": what the main axes leave of an item, in a
        latent space what its model does not explain of what it sees. fdr: of the items that are flagged, the share
        that may be flagged wrongly. The same items and seed give the same scores in any order. keep: as a study, from which
        `score` judges new items, and as the metadata `outlier`, `outlier_score` and `outlier_p`, unless the store is
        read-only. Raises InvalidInput for a space without vectors.
        """
        from latentstore.engine.studies import outliers

        asked = outliers.Asked(method, fdr, seed)
        within = None if where is None else check.where(where)
        return outliers.run(self._engine, self._key, asked, within, keeping=keep, progress=progress or silent)

    def score(self, items: Any, *, fdr: float | None = None) -> Scores:
        """How strange new items are, by the outliers last kept; nothing is stored. items: what `encode` takes.

        Scores and p-values compare with those of the items in the store. fdr: of the flags among these items; None takes that
        of the run. Raises InvalidInput where no outliers were kept.
        """
        from latentstore.engine.studies import outliers

        return outliers.score(self._engine, self._encoders, self._key, items, fdr)

    def judge(self) -> Judge:
        """What `score` asks, ready for many batches of vectors: `judge().score(vectors)`. It does not see what is added later.

        Raises InvalidInput where no outliers were kept.
        """
        from latentstore.engine.studies import outliers

        return outliers.judge(self._engine, self._key)

    def fit(
        self,
        kind: str = "vae",
        dim: int | None = None,
        name: str | None = None,
        *,
        source: str | None = None,
        seed: int = 0,
        where: str | None = None,
        size: int | None = None,
        device: str = "auto",
        epochs: int | None = None,
        seconds: float | None = None,
        beta: float = 1.0,
        whiten: bool = False,
        progress: Progress | None = None,
    ) -> Space:
        """A new space, made by a model that learns from the items of this one: each gets a latent, and latents can be decoded.

        kind: "pca", "autoencoder", "vae" or "gan". dim: when None, the fewest of 32, 64 and 128 whose main directions tell four
        fifths of what tells other items apart; fewer where there is not one for six items. name: that of the kind and dim, such as
        "vae32", when None; under the name of a latent space that is there, a new version of it, which `switch` makes active.
        source: what the model sees of an item, "image", "audio" or its "vectors" in this space; content where it is at hand when
        None. where: which items to learn from. size: side of pictures in pixels. device: "auto", "cpu", "cuda" or "mps". seconds,
        epochs: when training ends at the latest. beta: of a vae, the weight of its prior. whiten: of pca, each dimension to
        variance 1. The same items and seed give the same model on one machine. A fit that was killed goes on where it was when it
        is asked for again. Items that are added meanwhile and later get their latents, too.
        Raises InvalidInput where there is too little to learn from, TrainingFailed, ReadOnlyStore.
        """
        from latentstore.engine.latents import fit
        from latentstore.latent.base import Settings

        settings = Settings(kind, dim, seed, device, epochs, beta=beta, whiten=whiten, seconds=seconds)
        within = None if where is None else check.where(where)
        asked = fit.Asked(settings, name, source, within, size)
        made = fit.fit(self._engine, self._engine.space(self._key).row.name, asked, progress or silent)
        return Space(self._engine, made, self._encoders)

    @property
    def latent(self) -> Fitted:
        """The fitted model. Raises InvalidInput for a space that was not fitted, Corrupted where its files are damaged."""
        from latentstore.engine.latents import models

        return models.of(self._engine, self._engine.space(self._key))

    @property
    def record(self) -> dict[str, Any]:
        """How the model was fitted: settings, losses, errors on held-out items. Raises as `latent`."""
        return self.latent.record

    @property
    def lag(self) -> int:
        """How many items have no place here yet, because an add could not give them one; `backfill` does. 0 for ordinary spaces."""
        return lag.count(self._engine.snapshot, self._key)

    def backfill(self, progress: Progress | None = None) -> int:
        """Give the items that this space lags behind their latents; goes on where it stopped. Returns how many got one.

        Raises InvalidInput for a space that was not fitted, Corrupted where the model does not load, ReadOnlyStore.
        """
        from latentstore.engine.latents import follow

        return follow.backfill(self._engine, self._engine.space(self._key).row.name, progress or silent)

    def versions(self) -> list[Version]:
        """Every fit under the name of this space, oldest first. Raises InvalidInput for a space that was not fitted."""
        return versions.of(self._engine, self.name)

    def switch(self, version: int | None = None) -> Space:
        """Let the bare name stand for another version, the newest when None; at no moment does it stand for none.

        Returns the space under its bare name. Raises SpaceNotFound for a version that is not there.
        """
        versions.switch(self._engine, self.name, version)
        return Space(self._engine, self.name, self._encoders)

    def rollback(self) -> Space:
        """Let the bare name stand for the version before the active one. Raises InvalidInput where that is the oldest."""
        versions.rollback(self._engine, self.name)
        return Space(self._engine, self.name, self._encoders)

    def interpolate(self, a: Any, b: Any, steps: int = 9, *, path: str = "linear", even: str = "latent") -> Decoded:
        """The way from one item or point to another, step by step, each decoded and beside the nearest real item.

        a, b: ids, whose own latents are the ends, or points (dim,). path: "linear", or "spherical", which keeps to the distance
        from the middle of the latents, for those of a vae or gan. even: "latent" steps are of one length, or "decoded" ones, in
        which as much changes of what is seen or heard. Raises ItemNotFound, DimensionMismatch, InvalidInput. As every
        walk it works on a store that is read-only; a space without a decoder answers with the nearest items alone.
        """
        from latentstore.engine.latents import walking

        return walking.interpolate(self._engine, self._key, a, b, walking.Way(steps, path, even))

    def decode(self, latents: Any) -> Decoded:
        """What points (n, dim), or one (dim,), stand for. Raises DimensionMismatch, NotFinite."""
        from latentstore.engine.latents import walking

        return walking.decode(self._engine, self._key, latents)

    def off_data(self, latents: Any) -> Float64:
        """(n,) float64 in 0..1 of points (n, dim): the share of held-out items that lie less far off the data; higher is stranger.

        Raises InvalidInput for a space without a model.
        """
        from latentstore.engine.latents import walking

        return walking.off_data(self._engine, self._key, latents)

    def reconstruct(self, items: Any, *, worst_first: bool = False) -> Reconstructions:
        """Items beside what their latents decode to, with the error of each. items: ids, or new items as `encode` takes them.

        Raises InvalidInput for a space without a model and where nothing of an item is at hand that the model can see.
        """
        from latentstore.engine.latents import reconstructing

        return reconstructing.reconstruct(self._engine, self._encoders, self._key, items, worst_first=worst_first)

    def direction(self, towards: str | Sequence[str], away: str | Sequence[str] | None = None) -> Direction:
        """The direction that leads to some items from others. Either: a filter, or a list of ids; away None: from all the rest.

        Raises InvalidInput where a side is empty or both share items, ItemNotFound, InvalidFilter.
        """
        from latentstore.engine.latents import directions

        return directions.direction(self._engine, self._key, towards, away)

    def directions(self, by: str | None = None) -> Directions:
        """Towards each value of the column `by` from all that have another, then along the principal axes, 64 at most.

        Raises InvalidInput for a column that is not there, or whose values are no classes of five items or more.
        """
        from latentstore.engine.latents import directions

        return directions.directions(self._engine, self._key, by)

    def move(self, start: Any, direction: Direction, amounts: Any = (-3, -2, -1, 0, 1, 2, 3)) -> Decoded:
        """An item, by its id, or a point (dim,), moved along a direction of this space by amounts in standard deviations of its
        items. Raises InvalidInput for a direction of another space."""
        from latentstore.engine.latents import walking

        return walking.move(self._engine, self._key, start, direction, amounts)

    def arithmetic(self, plus: Sequence[Any], minus: Sequence[Any] = (), k: int = 10) -> Sum:
        """Items or points added and taken away, as a - b + c, with the k nearest items, those named left out."""
        from latentstore.engine.latents import walking

        return walking.arithmetic(self._engine, self._key, plus, minus, k)

    def traverse(
        self, start: Any = None, dims: Sequence[int] | None = None, steps: int = 7, span: float = 2.5
    ) -> Decoded:
        """What each dimension does: an item or point with that number replaced, by quantiles of it that a normal variable has from
        -span to span deviations. start: the item in the middle when None. dims: the eight that change most when None.
        """
        from latentstore.engine.latents import walking

        return walking.traverse(self._engine, self._key, start, walking.Spans(dims, steps, span))

    def sample(
        self,
        n: int,
        *,
        source: str = "mixture",
        near: Any = None,
        spread: float = 0.5,
        seed: int = 0,
        reject: float = 0.95,
    ) -> Samples:
        """New points, n of them, and what they decode to; those with an `off_data` above `reject` are drawn anew.

        source: "mixture", a density fitted to the latents, or "prior", N(0, I), for a model that was fitted to it. near: an item or
        a point to draw around, with `spread` of the deviation that the items have there. Raises InvalidInput for a space without
        a model, and for the prior of one that has none.
        """
        from latentstore.engine.latents import walking

        return walking.sample(self._engine, self._key, n, walking.Draws(source, near, spread, seed, reject))

    def info(self) -> dict[str, Any]:
        """Counts, encoder, index and measured recall."""
        return describe.space_info(self._engine, self._engine.space(self._key))

    def __len__(self) -> int:
        return self._engine.space(self._key).live_count

    def __repr__(self) -> str:
        return f"<Space {self._key!r} {len(self)} x {self.dim} {self.metric}>"
