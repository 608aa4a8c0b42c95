"""Every error this package raises on purpose. Each message says what was expected, what came, and what to do.

LatentstoreError
├── InvalidInput (also ValueError)
│   ├── DimensionMismatch       a vector of another length than the space holds
│   ├── NotFinite               NaN or infinity in a vector
│   ├── ColumnTypeClash         a metadata value that its column cannot hold
│   ├── ReservedName            a metadata key that the store keeps for itself
│   ├── InvalidFilter           a `where` or `sql` that does not parse or reaches beyond the collection
│   └── DuplicateId             an id that is already there, or twice in one batch
├── NotFound (also LookupError)
│   ├── StoreNotFound  CollectionNotFound  SpaceNotFound  ItemNotFound
├── AlreadyExists               a collection of that name, a file in the way
├── NotAStore                   the path holds something else
├── FormatTooNew                written by a later version
├── StoreLocked                 another process holds it
├── ReadOnlyStore               opened for reading, asked to write
├── StoreClosed                 used after close()
├── Corrupted                   the bytes on disk are not the bytes that were written
├── StorageFailure              the disk is full, or refuses
├── EncoderMissing              the encoder, or a package it needs, is not installed
├── EncoderFailed               the encoder is there and gave no vectors
├── EncoderMismatch             vectors of one encoder offered to the space of another
└── TrainingFailed              a latent model whose training never had a finite loss
"""

from __future__ import annotations


class LatentstoreError(Exception):
    """The root: catch this to catch them all."""


class InvalidInput(LatentstoreError, ValueError):
    """An argument that cannot be used; nothing was stored or changed."""


class DimensionMismatch(InvalidInput):
    """A vector of another length than the space holds."""


class NotFinite(InvalidInput):
    """NaN or infinity in a vector, or a number too large for float32."""


class ColumnTypeClash(InvalidInput):
    """A metadata value that its column cannot hold, or a key that differs from a column in case alone.

    column, row: the key, and the position in the batch of the first item that brings such a value, None for a key of another case.
    """

    def __init__(self, message: str, column: str | None = None, row: int | None = None) -> None:
        super().__init__(message)
        self.column, self.row = column, row


class ReservedName(InvalidInput):
    """A metadata key that the store keeps for itself."""


class InvalidFilter(InvalidInput):
    """A `where` or `sql` that does not parse, or reaches beyond its collection."""


class DuplicateId(InvalidInput):
    """An id that is in the collection already, or twice in one batch."""


class NotFound(LatentstoreError, LookupError):
    """A name or id that is not there."""


class StoreNotFound(NotFound):
    """No store at that path."""


class CollectionNotFound(NotFound):
    """No collection of that name."""


class SpaceNotFound(NotFound):
    """No space of that name."""


class ItemNotFound(NotFound):
    """No item of that id, or none with a vector in that space."""


class AlreadyExists(LatentstoreError):
    """A collection of that name, or a file in the way."""


class NotAStore(LatentstoreError):
    """The path holds something else."""


class FormatTooNew(LatentstoreError):
    """Written by a later version of this package, which can read it."""


class StoreLocked(LatentstoreError):
    """Another process, or another opening in this one, holds the store."""


class ReadOnlyStore(LatentstoreError):
    """Opened with read_only=True and asked to write."""


class StoreClosed(LatentstoreError):
    """Used after `close()`, or in a process forked after it was opened."""


class Corrupted(LatentstoreError):
    """Damage on disk. `latentstore verify` says where, `latentstore repair` mends what can be mended."""


class StorageFailure(LatentstoreError):
    """The file system refused a write; what was committed before is untouched."""


class EncoderMissing(LatentstoreError):
    """The encoder, or a package or file that it needs, is not installed."""


class EncoderFailed(LatentstoreError):
    """The encoder is there and gave no vectors: its server did not answer, or with something else. Nothing was stored."""


class EncoderMismatch(LatentstoreError):
    """Vectors of one encoder offered to the space of another."""


class TrainingFailed(LatentstoreError):
    """A latent model whose loss was NaN or infinite before it had learned anything. Nothing was stored."""
