"""Space: the vectors of a collection seen through one encoder. A facade like Collection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from latentstore.analysis.progress import Progress, silent
from latentstore.encoders.base import Encoder, Role
from latentstore.engine import check, describe, features, read
from latentstore.engine.core import Engine
from latentstore.engine.encoding import Encoders
from latentstore.findings.change import Change
from latentstore.findings.clusters import Assigned, Clustering
from latentstore.findings.duplicates import Duplicates
from latentstore.findings.labels import Labels
from latentstore.findings.maps import ItemMap
from latentstore.findings.outliers import Outliers, Scores
from latentstore.types import Float32, Metric

if TYPE_CHECKING:
    import pyarrow

    from latentstore.engine.studies.outliers import Judge
    from latentstore.latent.dataset import Vectors


class Space:
    """Made by `Collection.space`."""

    def __init__(self, engine: Engine, name: str, encoders: Encoders) -> None:
        self.name = name
        self._engine = engine
        self._encoders = encoders

    @property
    def dim(self) -> int | None:
        """Length of the vectors; None before the first."""
        return self._engine.space(self.name).row.dim

    @property
    def metric(self) -> Metric:
        return self._engine.space(self.name).row.metric

    @property
    def fingerprint(self) -> str | None:
        """Which encoder's vectors these are; None for vectors from elsewhere."""
        return self._engine.space(self.name).row.fingerprint

    @property
    def encoder(self) -> Encoder:
        """Raises EncoderMissing when there is none or it is not installed, EncoderMismatch when it is another than it was."""
        return self._encoders.of(self.name)

    def vectors(self, ids: Sequence[str] | None = None, *, where: str | None = None) -> tuple[list[str], Float32]:
        """(ids, (n, dim) float32): of the given ids in their order, of a filter, or of all in the order added."""
        return read.vectors(
            self._engine,
            self.name,
            None if ids is None else check.ids(ids),
            None if where is None else check.where(where),
        )

    def arrow(self, *, where: str | None = None) -> pyarrow.Table:
        """id, vector (fixed-size list of float32) and a column for each metadata key, in the order added; JSON stands as text."""
        return features.table(self._engine, self.name, None if where is None else check.where(where))

    def dataset(self, *, where: str | None = None) -> Vectors:
        """A torch Dataset of (vector, id), each vector a (dim,) float32 tensor; in memory, in the order added."""
        return features.dataset(*self.vectors(where=where))

    def encode(self, items: Any, *, role: Role = "document") -> Float32:
        """(n, dim) float32 of texts, Items, paths or pictures, or of vectors, as an add would see them; nothing is stored."""
        return self._encoders.encode(self.name, items, role)

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
            self._engine, self._encoders, self.name, asked, within, keeping=keep, progress=progress or silent
        )

    def assign(self, items: Any, *, level: str | None = None) -> Assigned:
        """Which of the clusters last kept each of some new items belongs to; nothing is stored. items: what `encode` takes."""
        from latentstore.engine.studies import assigning

        return assigning.assign(self._engine, self.name, self.encode(items), level)

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
        return duplicates.run(self._engine, self.name, asked, within, keeping=keep, progress=progress or silent)

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
        return maps.run(self._engine, self.name, asked, within, keeping=keep, progress=progress or silent)

    def place(self, items: Any) -> Float32:
        """(m, 2) float32: where new items belong on the map last kept, whose items stay; nothing is stored. items: what
        `encode` takes. Raises InvalidInput where no map is kept.
        """
        from latentstore.engine.studies import maps

        return maps.place(self._engine, self.name, self.encode(items))

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
        return labels.run(self._engine, self.name, asked, within, keeping=keep, progress=progress or silent)

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
            self._engine, self._encoders, self.name, asked, theirs, keeping=keep, progress=progress or silent
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

        method: "auto", "knn", "lof", "mahalanobis", "iforest" or "reconstruction". fdr: of the items that are flagged, the share
        that may be flagged wrongly. The same items and seed give the same scores in any order. keep: as a study, from which
        `score` judges new items, and as the metadata `outlier`, `outlier_score` and `outlier_p`, unless the store is
        read-only. Raises InvalidInput for a space without vectors.
        """
        from latentstore.engine.studies import outliers

        asked = outliers.Asked(method, fdr, seed)
        within = None if where is None else check.where(where)
        return outliers.run(self._engine, self.name, asked, within, keeping=keep, progress=progress or silent)

    def score(self, items: Any, *, fdr: float | None = None) -> Scores:
        """How strange new items are, by the outliers last kept; nothing is stored. items: what `encode` takes.

        Scores and p-values compare with those of the items in the store. fdr: of the flags among these items; None takes that
        of the run. Raises InvalidInput where no outliers were kept.
        """
        return self.judge().score(self.encode(items), fdr)

    def judge(self) -> Judge:
        """What `score` asks, ready for many batches of vectors: `judge().score(vectors)`. It does not see what is added later.

        Raises InvalidInput where no outliers were kept.
        """
        from latentstore.engine.studies import outliers

        return outliers.judge(self._engine, self.name)

    def info(self) -> dict[str, Any]:
        """Counts, encoder, index and measured recall."""
        return describe.space_info(self._engine, self._engine.space(self.name))

    def __len__(self) -> int:
        return self._engine.space(self.name).live_count

    def __repr__(self) -> str:
        return f"<Space {self.name!r} {len(self)} x {self.dim} {self.metric}>"
