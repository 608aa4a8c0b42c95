"""Where bytes come from: everything that a job reads, as Documents."""

from ingest.sources.archives import members
from ingest.sources.base import KINDS, TABLES, Document, Kind, kind_of, on_disk, stamp_of, uri_of
from ingest.sources.finding import STANDARD_INPUT, Survey, find, roots, survey
from ingest.sources.frames import Table
from ingest.sources.patterns import Patterns
from ingest.sources.temporary import scratch

__all__ = [
    "KINDS",
    "STANDARD_INPUT",
    "TABLES",
    "Document",
    "Kind",
    "Patterns",
    "Survey",
    "Table",
    "find",
    "kind_of",
    "members",
    "on_disk",
    "roots",
    "scratch",
    "stamp_of",
    "survey",
    "uri_of",
]
