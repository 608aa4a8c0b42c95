"""Arguments parsed at the edge: what the facades were given, as what the engine takes. Nothing is stored before all of it is checked."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from latentstore.engine import attach
from latentstore.engine.read import Question
from latentstore.engine.snapshot import Snapshot
from latentstore.engine.write import Beside, Incoming
from latentstore.errors import InvalidInput
from latentstore.storage.values import shown
from latentstore.types import Float32, Int64, Item, Modality, Source

MAX_ID = 1024  # bytes
MAX_URI = 16_384  # bytes; the uri of a source
MAX_ERROR = 500  # characters
MAX_ATTACHMENT = 1 << 30  # bytes
DEFAULT_RECALL = 0.99
_CONTENT = frozenset({Modality.TEXT, Modality.IMAGE, Modality.AUDIO})
Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True)
class Batch:
    """What `add` was given: n items, their vectors still to be made or checked."""

    ids: list[str]
    texts: list[str | None]
    uris: list[str | None]
    metadata: Any
    vectors: Any
    images: list[Any] | None = None
    audios: list[Any] | None = None
    attachments: list[Mapping[str, bytes]] | None = None

    @property
    def n(self) -> int:
        return len(self.ids)

    @property
    def has_content(self) -> bool:
        return bool(self.images or self.audios) or any(text is not None for text in self.texts)

    def content(self, modalities: Container[Modality]) -> tuple[list[int], list[Any]]:
        """Which items have something that an encoder of these modalities takes, and what: as `Item.content` says."""
        none = [None] * self.n
        firsts: list[Any] = self.texts if Modality.TEXT in modalities else none
        if self.images or self.audios:
            fields = zip(self.texts, self.images or none, self.audios or none, strict=True)
            seen = (Item(text=text, image=image, audio=audio).content(modalities) for text, image, audio in fields)
            firsts = [found and found[1] for found in seen]
        at = [position for position, value in enumerate(firsts) if value is not None]
        return at, [firsts[position] for position in at]

    def _kinds(self) -> list[str | None] | None:
        if not self.images and not self.audios:
            return None
        none = [None] * self.n
        fields = zip(self.texts, self.images or none, self.audios or none, strict=True)
        seen = (Item(text=text, image=image, audio=audio).content(_CONTENT) for text, image, audio in fields)
        return [found and found[0].value for found in seen]

    def incoming(self, vectors: Mapping[str, tuple[Int64, Float32]]) -> Incoming:
        attached = attach.of_items(self.attachments) if self.attachments else attach.NOTHING
        return Incoming(
            self.ids, self.texts, self.uris, self.metadata, vectors, attached, self._kinds(), self.images, self.audios
        )


def batch(
    items: Any, vectors: Any, given_ids: Sequence[str] | None, metadata_: Any, changes_: Beside | None = None
) -> Batch:
    """changes_: what is done beside adding; then there need be no items. Raises InvalidInput where lengths or kinds disagree."""
    if items is None and vectors is None and changes_:
        items = []
    if items is None and vectors is None:
        raise InvalidInput("add takes items (texts), vectors=, or both; got neither")
    fields = _Fields([None] * length(vectors)) if items is None else _fields(items)
    n = len(fields.texts)
    if metadata_ is not None and fields.metadata is not None:
        raise InvalidInput("metadata comes either inside the Items or as metadata=, got both")
    return Batch(
        _ids_for(fields, given_ids),
        fields.texts,
        fields.uris or [None] * n,
        fields.metadata if metadata_ is None else metadata(metadata_, n),
        vectors,
        fields.images,
        fields.audios,
        fields.attachments,
    )


@dataclass(frozen=True)
class _Fields:
    """Items field by field, n values each; a field that no item brings is None."""

    texts: list[str | None]
    ids: list[str | None] | None = None
    uris: list[str | None] | None = None
    metadata: list[dict[str, Any]] | None = None
    images: list[Any] | None = None
    audios: list[Any] | None = None
    attachments: list[Mapping[str, bytes]] | None = None


def _fields(items: Any) -> _Fields:
    if isinstance(items, str | Item):
        items = [items]
    if not isinstance(items, Sequence) and not hasattr(items, "__iter__"):
        raise InvalidInput(f"items is a list of texts or Items, got {type(items).__name__}")
    if isinstance(items, np.ndarray) and items.dtype.kind == "f":
        raise InvalidInput("got an array of numbers as items; pass vectors as vectors=")
    plain = list(items)
    if _are_utf8(plain):
        return _Fields(plain)
    listed = [_item(at, one) for at, one in enumerate(plain)]
    return _Fields(
        [item.text for item in listed],
        [item.id for item in listed] if any(item.id is not None for item in listed) else None,
        [item.uri for item in listed],
        [dict(item.metadata or {}) for item in listed] if any(item.metadata for item in listed) else None,
        [item.image for item in listed] if any(item.image is not None for item in listed) else None,
        [item.audio for item in listed] if any(item.audio is not None for item in listed) else None,
        [_attachments(at, item) for at, item in enumerate(listed)]
        if any(item.attachments for item in listed)
        else None,
    )


def _attachments(at: int, item: Item) -> Mapping[str, bytes]:
    if not isinstance(item.attachments, Mapping):
        raise InvalidInput(f"attachments of item {at} is a dict of name → bytes, got {type(item.attachments).__name__}")
    return {
        attachment(name): _content(content, f"attachment {name!r} of item {at}")
        for name, content in item.attachments.items()
    }


def attachment(name: Any) -> str:
    """The name of an attachment."""
    checked = _check_text(name, f"name of attachment {shown(name)}")
    if not checked or "\0" in checked or len(checked.encode()) > MAX_ID:
        raise InvalidInput(f"the name of an attachment has 1 to {MAX_ID} bytes and no NUL, got {shown(name)}")
    return checked


def _content(content: Any, what: str) -> bytes:
    if not isinstance(content, bytes | bytearray | memoryview):
        raise InvalidInput(f"{what} is a {type(content).__name__}, expected bytes")
    made = bytes(content)
    if len(made) > MAX_ATTACHMENT:
        raise InvalidInput(
            f"{what} has {len(made):,} bytes, more than {MAX_ATTACHMENT:,}; keep its path as uri instead"
        )
    return made


def _are_utf8(values: list[Any]) -> bool:
    """Whether all are plain strs that UTF-8 can keep: told at once, where telling one by one takes longer than storing them."""
    if not set(map(type, values)) <= {str}:
        return False
    try:
        "".join(values).encode()
    except UnicodeEncodeError:
        return False
    return True


def _item(at: int, one: Any) -> Item:
    if isinstance(one, Item):
        for what, value in (("text", one.text), ("uri", one.uri)):
            if value is not None:
                _check_text(value, f"{what} of item {at}")
        return one if one.image is None and one.audio is None else located(one)
    if isinstance(one, str):
        return Item(text=_check_text(one, f"item {at}"))
    raise InvalidInput(f"item {at} is a {type(one).__name__}; expected a str or an Item (vectors go into vectors=)")


def located(item: Item) -> Item:
    """Paths of media as Paths, since a plain str is a text to an encoder; they are where the item comes from."""
    image, audio = (Path(made) if isinstance(made, str) else made for made in (item.image, item.audio))
    path = next((made for made in (image, audio) if isinstance(made, Path)), None)
    uri = str(path) if item.uri is None and path is not None else item.uri
    return replace(item, uri=uri, image=image, audio=audio)


def _check_text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{what} is a {type(value).__name__}, expected a str")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"{what} holds a lone surrogate at character {error.start}, which UTF-8 cannot keep"
        ) from None
    return str(value)


def length(vectors: Any) -> int:
    """How many vectors are given, in the first space where there are several. Raises InvalidInput for what has no length."""
    first = next(iter(vectors.values()), ()) if isinstance(vectors, dict) else vectors
    try:
        return len(first)
    except TypeError:
        raise InvalidInput(f"vectors is an (n, dim) array, got {type(vectors).__name__}") from None


def _ids_for(fields: _Fields, given: Sequence[str] | None) -> list[str]:
    if given is None:
        own = fields.ids or [None] * len(fields.texts)
        return ids([name if name is not None else uuid.uuid4().hex for name in own])
    if fields.ids is not None:
        raise InvalidInput("ids come either inside the Items or as ids=, got both")
    found = ids(given)
    if len(found) != len(fields.texts):
        raise InvalidInput(f"expected {len(fields.texts)} ids, one an item, got {len(found)}")
    return found


def ids(given: Any) -> list[str]:
    """A list of ids: non-empty strings of at most 1,024 bytes."""
    if not isinstance(given, Iterable):
        raise InvalidInput(f"ids is a list of strings, got {type(given).__name__}")
    listed = [given] if isinstance(given, str) else list(given)
    short = _are_utf8(listed) and all(listed) and max(map(len, listed), default=0) <= MAX_ID // 4
    if short and "\0" not in "".join(listed):
        return listed
    return [_id(at, name) for at, name in enumerate(listed)]


def _id(at: int, name: Any) -> str:
    if not isinstance(name, str):
        raise InvalidInput(f"id {at} is a {type(name).__name__} ({name!r}); ids are strings: use str(...)")
    checked = _check_text(name, f"id {at}")
    if not checked or "\0" in checked or len(checked.encode()) > MAX_ID:
        raise InvalidInput(f"id {at} is empty, holds a NUL or is longer than {MAX_ID} bytes: {checked[:40]!r}")
    return checked


def beside(sources: Any, stale: Any, forget: Any) -> Beside:
    """What a commit does beside adding. Raises InvalidInput."""
    if isinstance(sources, Source) or not isinstance(sources, Iterable):
        raise InvalidInput(f"sources is a list of Source, got {type(sources).__name__}")
    lines = [_source(at, one) for at, one in enumerate(sources)]
    uris = [line.uri for line in lines]
    if len(set(uris)) < len(uris):
        twice = Counter(uris).most_common(1)[0][0]
        raise InvalidInput(f"source {shown(twice)} comes twice in one batch; each uri may come once")
    return Beside(lines, ids(stale), source_uris(forget, "forget"))


def source_uris(given: Any, what: str) -> list[str]:
    """Names of sources: non-empty strings of at most 16,384 bytes."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InvalidInput(f"{what} is a list of uris, got {type(given).__name__}")
    return [_uri(uri, f"{what} {at}") for at, uri in enumerate(given)]


def names(given: Any) -> list[str]:
    """Uris to ask about; none is too odd to be unknown."""
    listed = None if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
    if listed is None or not all(isinstance(one, str) for one in listed):
        raise InvalidInput(f"uris is a list of strings, got {shown(given)}")
    return listed


def _uri(uri: Any, what: str) -> str:
    checked = _check_text(uri, what)
    if not checked or "\0" in checked or len(checked.encode()) > MAX_URI:
        raise InvalidInput(f"{what} is empty, holds a NUL or is longer than {MAX_URI} bytes: {checked[:40]!r}")
    return checked


def _source(at: int, one: Any) -> Source:
    if not isinstance(one, Source):
        raise InvalidInput(f"source {at} is a {type(one).__name__}; expected a Source")
    what = f"source {at}"
    for name, value in (("size", one.size), ("items", one.items)):
        if not (value is None and name == "size") and not _is_count(value):
            raise InvalidInput(f"{name} of {what} is a whole number of at least 0, got {value!r}")
    if one.modified is not None and not _is_time(one.modified):
        raise InvalidInput(f"modified of {what} is a time in seconds, got {one.modified!r}")
    for name in ("stamp", "digest", "reading"):
        if (text := getattr(one, name)) is not None and "\0" in _check_text(text, f"{name} of {what}"):
            raise InvalidInput(f"{name} of {what} holds a NUL, which the catalog cannot keep")
    return replace(one, uri=_uri(one.uri, f"uri of {what}"), error=None if one.error is None else _line(one.error))


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -(2**63) < value < 2**63


def _line(error: Any) -> str:
    """What went wrong as one line that can be kept: it may quote anything that a damaged file holds."""
    whole = " ".join(str(error).encode(errors="replace").decode().replace("\0", " ").split())
    return whole if len(whole) <= MAX_ERROR else whole[: MAX_ERROR - 1] + "…"


def where(given: Any) -> str:
    """A filter. Anything but text is refused: `delete(where=True)` is a slip that would delete everything."""
    if not isinstance(given, str):
        raise InvalidInput(f'where is a SQL condition as a str, such as "year > 2000", got {type(given).__name__}')
    return given


def metadata(given: Any, n: int) -> Any:
    """Metadata of n items. A single dict is taken for one item only, to spare the commonest slip."""
    if isinstance(given, Mapping):
        if n != 1:
            raise InvalidInput(f"expected metadata of {n} items as a list of dicts or a table, got one dict")
        return [given]
    return given


def changes(given: Any, n: int) -> Any:
    """Metadata to update n items with; None would mean nothing."""
    if given is None:
        raise InvalidInput("update takes metadata as a list of dicts or a table, got None")
    return metadata(given, n)


def query(given: Any) -> str:
    if not isinstance(given, str):
        raise InvalidInput(f"sql takes one SELECT statement as a str, got {type(given).__name__}")
    return given


def choice(kind: type[Choice], value: Any, what: str) -> Choice:
    try:
        return kind(value)
    except ValueError:
        raise InvalidInput(f"{what} is one of {', '.join(kind)}, got {value!r}") from None


def question(
    snapshot: Snapshot, k: Any, where_: Any, exact: bool, recall: float | None, columns: Any, explain: bool
) -> Question:
    """Raises InvalidInput for what no search can mean."""
    if not isinstance(k, int | np.integer) or isinstance(k, bool) or k < 1:
        raise InvalidInput(f"k is a whole number of at least 1, got {k!r}")
    condition = None if where_ is None else where(where_)
    recall = DEFAULT_RECALL if recall is None else recall
    if not isinstance(recall, int | float | np.floating) or isinstance(recall, bool) or not 0 < recall <= 1:
        raise InvalidInput(f"recall is a number above 0 and at most 1, got {recall!r}")
    if isinstance(columns, str) or not isinstance(columns, Iterable | None):
        raise InvalidInput(f"columns is a list of names, such as ['year'], got {columns!r}")
    chosen = None if columns is None else tuple(columns)
    unknown = [name for name in chosen or () if name not in snapshot.names]
    if unknown:
        raise InvalidInput(
            f"there is no metadata column {unknown[0]!r}; there are {', '.join(snapshot.names) or 'none'}"
        )
    return Question(int(k), condition, exact or recall == 1, float(recall), chosen, explain)
