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
└── EncoderMismatch             vectors of one encoder offered to the space of another
"""

from __future__ import annotations


class LatentstoreError(Exception):
    """The root: catch this to catch them all."""


class InvalidInput(LatentstoreError, ValueError):
    """An argument that cannot be used; nothing was stored or changed."""


class DimensionMismatch(InvalidInput):
    pass


class NotFinite(InvalidInput):
    pass


class ColumnTypeClash(InvalidInput):
    pass


class ReservedName(InvalidInput):
    pass


class InvalidFilter(InvalidInput):
    pass


class DuplicateId(InvalidInput):
    pass


class NotFound(LatentstoreError, LookupError):
    """A name or id that is not there."""


class StoreNotFound(NotFound):
    pass


class CollectionNotFound(NotFound):
    pass


class SpaceNotFound(NotFound):
    pass


class ItemNotFound(NotFound):
    pass


class AlreadyExists(LatentstoreError):
    pass


class NotAStore(LatentstoreError):
    pass


class FormatTooNew(LatentstoreError):
    pass


class StoreLocked(LatentstoreError):
    pass


class ReadOnlyStore(LatentstoreError):
    pass


class StoreClosed(LatentstoreError):
    pass


class Corrupted(LatentstoreError):
    """Damage on disk. `latentstore verify` says where, `latentstore repair` mends what can be mended."""


class StorageFailure(LatentstoreError):
    """The file system refused a write; what was committed before is untouched."""


class EncoderMissing(LatentstoreError):
    pass


class EncoderMismatch(LatentstoreError):
    pass
