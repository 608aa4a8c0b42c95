"""Where bytes come from: everything that a job reads, as Documents."""

from ingest.sources.base import KINDS, TABLES, Document, Kind, kind_of, on_disk, uri_of
from ingest.sources.folders import Patterns, Survey, find, survey

__all__ = [
    "KINDS",
    "TABLES",
    "Document",
    "Kind",
    "Patterns",
    "Survey",
    "find",
    "kind_of",
    "on_disk",
    "survey",
    "uri_of",
]
