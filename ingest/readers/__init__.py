"""Documents as items: a reader for each kind, imported when the first document of that kind comes."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from ingest.readers.base import Passage, Reader, Reading
from ingest.results import Problem
from ingest.sources.base import Document, Kind

READERS = {  # kind → module with `read`
    Kind.TEXT: "ingest.readers.text",
    Kind.MARKDOWN: "ingest.readers.text",
    Kind.HTML: "ingest.readers.html",
    Kind.PDF: "ingest.readers.pdf",
    Kind.DOCX: "ingest.readers.docx",
    Kind.EPUB: "ingest.readers.epub",
    Kind.EMAIL: "ingest.readers.email",
    Kind.MBOX: "ingest.readers.email",
    Kind.CODE: "ingest.readers.code",
    Kind.CSV: "ingest.readers.tables",
    Kind.TSV: "ingest.readers.tables",
    Kind.JSON: "ingest.readers.tables",
    Kind.JSONL: "ingest.readers.tables",
    Kind.PARQUET: "ingest.readers.tables",
    Kind.ARROW: "ingest.readers.tables",
    Kind.IMAGE: "ingest.readers.images",
    Kind.AUDIO: "ingest.readers.sounds",
}


def read(document: Document, path: Path, reading: Reading) -> Iterator[Passage | Problem]:
    """Everything in a document, in order. Raises Unreadable or OSError, at the start or on the way."""
    reader: Reader = import_module(READERS[document.kind]).read
    return reader(document, path, reading)


__all__ = ["Passage", "Reader", "Reading", "read"]
