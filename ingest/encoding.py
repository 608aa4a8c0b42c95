"""From a batch to what is committed: what is there already is left out, equal content is encoded once, the rest encoded."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ingest.batches import Batch, Finished, Skipped
from ingest.ledger import literals
from ingest.readers import Passage
from ingest.results import Problem
from ingest.reuse import CONTENT, KEPT, MODALITY, Reuse
from latentstore import Collection, Item, Modality
from latentstore.types import Float32

_Content = tuple[Modality, str]  # names a content: a text, or the key of a picture or sound


@dataclass(slots=True)
class Ready:
    """A batch as `Collection.add` takes it, and what to count of it."""

    items: list[Item]
    vectors: dict[str, list[Float32 | None]]
    finished: list[Finished]
    skipped: list[Skipped]
    problems: list[Problem]
    done: int
    passages: int = 0
    unchanged: int = 0
    retold: set[str] = field(default_factory=set)  # ids of items whose content is as it was, and whose metadata is not
    encoded: int = 0
    reused: int = 0


class Encoding:
    """Made once a job, for one collection."""

    def __init__(self, collection: Collection, reuse: Reuse) -> None:
        self._collection, self._reuse = collection, reuse
        self._fresh = len(collection) == 0  # a first run need not look for what is there
        self._found = frozenset(column for study in collection.studies() for column in study.columns.values())
        spaces = {name: collection.space(name) for name in collection.spaces(latent=False)}
        self.takes = {name: space.encoder.modalities for name, space in spaces.items() if space.fingerprint is not None}
        self.fingerprints = {name: space.fingerprint for name, space in spaces.items() if space.fingerprint is not None}
        self.foreign = next((name for name in spaces if name not in self.takes), None)
        self._recent: dict[tuple[str, _Content], Float32] = {}  # of the batch that is being committed

    def prepare(self, batch: Batch) -> Ready:
        """Encode what must be. Raises what an encoder raises."""
        latest = list({str(one.item.id): one for one in batch.passages}.values())
        known = self._known(latest)
        alike = [one for one in latest if _equal(one.item, known.get(str(one.item.id)), self._found)]
        there = {str(one.item.id) for one in alike} - self._lacking(alike)
        fresh = [one for one in latest if str(one.item.id) not in there]
        ready = Ready([one.item for one in fresh], {}, batch.finished, batch.skipped, batch.problems, batch.done)
        ready.passages = len(batch.passages)
        ready.unchanged = len(batch.passages) - len(fresh)
        ready.retold = {str(one.item.id) for one in fresh if _same_content(one.item, known.get(str(one.item.id)))}
        recent: dict[tuple[str, _Content], Float32] = {}
        for name in self.takes:
            ready.vectors[name] = self._vectors(name, fresh, ready, recent)
        self._recent = recent
        if self.foreign is not None and any(one.vector is not None for one in fresh):
            ready.vectors[self.foreign] = [one.vector for one in fresh]
        return ready

    def _known(self, passages: Sequence[Passage]) -> dict[str, Item]:
        if self._fresh or not passages:
            return {}
        listed = literals(str(one.item.id) for one in passages)
        there = [row["id"] for row in self._collection.sql(f"select id from items where id in ({listed})")]
        return {str(item.id): item for item in self._collection.get(there)} if there else {}

    def _lacking(self, alike: Sequence[Passage]) -> set[str]:
        """Ids of items that are stored without the content that they bring now."""
        bring = [str(one.item.id) for one in alike if KEPT in one.item.attachments]
        if not bring:
            return set()
        held = self._collection.attachments(bring, KEPT)
        return {name for name, content in zip(bring, held, strict=True) if content is None}

    def _vectors(
        self, space: str, passages: Sequence[Passage], ready: Ready, recent: dict[tuple[str, _Content], Float32]
    ) -> list[Float32 | None]:
        """One for each passage that the space's encoder takes, None for the others."""
        contents = [_content(one, self.takes[space], at) for at, one in enumerate(passages)]
        values = {content: value for content, value in contents if content is not None}
        found = {key: self._recent[space, key] for key in values if (space, key) in self._recent}
        found |= self._reuse.find(space, self.takes[space], [key for key in values if key not in found])
        missing = [key for key in values if key not in found]
        ready.encoded += len(missing)
        for kind in {modality for modality, _ in missing}:
            alike = [key for key in missing if key[0] is kind]
            made = self._collection.space(space).encode([values[key] for key in alike])
            found |= dict(zip(alike, made, strict=True))
        recent |= {(space, key): vector for key, vector in found.items()}
        wanted = sum(content is not None for content, _ in contents)
        ready.reused += wanted - len(missing)
        return [None if content is None else found[content] for content, _ in contents]


def _content(passage: Passage, takes: frozenset[Modality], at: int) -> tuple[_Content | None, Any]:
    """What an encoder sees of an item: its name, and itself as `Space.encode` takes it."""
    seen = passage.item.content(takes)
    if seen is None:
        return None, None
    modality, value = seen
    if modality is Modality.TEXT:
        return (modality, value), value
    item = Item(image=value) if modality is Modality.IMAGE else Item(audio=value)
    return (modality, passage.key or f"unnamed {at}"), item


def _equal(item: Item, old: Item | None, found: Container[str]) -> bool:
    """Whether nothing of an item is new. found: columns of studies, which its source says nothing of."""
    if old is None or not _same_content(item, old) or item.uri != old.uri:
        return False
    told = _told(item)
    return told == {key: value for key, value in _told(old).items() if key in told or key not in found}


def _same_content(item: Item, old: Item | None) -> bool:
    return old is not None and item.text == old.text and item.metadata.get(CONTENT) == old.metadata.get(CONTENT)


def _told(item: Item) -> Mapping[str, object]:
    """Metadata as its source gave it."""
    return {key: value for key, value in item.metadata.items() if value is not None and key != MODALITY}
