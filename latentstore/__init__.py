"""latentstore: a store for latent vectors that a person owns. One directory, no server.

store = latentstore.open("pile.latent")
docs = store.create("docs", encoders=["text"])
docs.add(["a text", "another"])
for hit in docs.search("something like it"):
    print(hit.score, hit.text)
"""

from latentstore.collection import Collection
from latentstore.engine.backup import restore
from latentstore.engine.repair import repair
from latentstore.errors import (
    AlreadyExists,
    CollectionNotFound,
    ColumnTypeClash,
    Corrupted,
    DimensionMismatch,
    DuplicateId,
    EncoderFailed,
    EncoderMismatch,
    EncoderMissing,
    FormatTooNew,
    InvalidFilter,
    InvalidInput,
    ItemNotFound,
    LatentstoreError,
    NotAStore,
    NotFinite,
    NotFound,
    ReadOnlyStore,
    ReservedName,
    SpaceNotFound,
    StorageFailure,
    StoreClosed,
    StoreLocked,
    StoreNotFound,
    TrainingFailed,
)
from latentstore.findings.change import Change, Shift, Side
from latentstore.findings.clusters import Assigned, Cluster, ClusterChange, Clustering
from latentstore.findings.duplicates import CurvePoint, DuplicateGroup, Duplicates, Leak
from latentstore.findings.labels import LabelClass, Labels, SuggestedLabel, SuspectLabel
from latentstore.findings.latent import Decoded, Direction, Directions, Reconstructions, Samples, Sum
from latentstore.findings.maps import ItemMap
from latentstore.findings.outliers import Outlier, Outliers, Scores
from latentstore.findings.versions import Version
from latentstore.space import Space
from latentstore.store import Store, open
from latentstore.types import (
    Hit,
    Hits,
    Item,
    Metric,
    Modality,
    OnConflict,
    Origin,
    PlanStep,
    Report,
    Rows,
    Source,
    Written,
)

__version__ = "0.1.0"

__all__ = [
    "AlreadyExists",
    "Assigned",
    "Change",
    "Cluster",
    "ClusterChange",
    "Clustering",
    "Collection",
    "CollectionNotFound",
    "ColumnTypeClash",
    "Corrupted",
    "CurvePoint",
    "Decoded",
    "DimensionMismatch",
    "Direction",
    "Directions",
    "DuplicateGroup",
    "DuplicateId",
    "Duplicates",
    "EncoderFailed",
    "EncoderMismatch",
    "EncoderMissing",
    "FormatTooNew",
    "Hit",
    "Hits",
    "InvalidFilter",
    "InvalidInput",
    "Item",
    "ItemMap",
    "ItemNotFound",
    "LabelClass",
    "Labels",
    "LatentstoreError",
    "Leak",
    "Metric",
    "Modality",
    "NotAStore",
    "NotFinite",
    "NotFound",
    "OnConflict",
    "Origin",
    "Outlier",
    "Outliers",
    "PlanStep",
    "ReadOnlyStore",
    "Reconstructions",
    "Report",
    "ReservedName",
    "Rows",
    "Samples",
    "Scores",
    "Shift",
    "Side",
    "Source",
    "Space",
    "SpaceNotFound",
    "StorageFailure",
    "Store",
    "StoreClosed",
    "StoreLocked",
    "StoreNotFound",
    "SuggestedLabel",
    "Sum",
    "SuspectLabel",
    "TrainingFailed",
    "Version",
    "Written",
    "open",
    "repair",
    "restore",
]
