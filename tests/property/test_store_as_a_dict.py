"""The whole store against a plain dict: whatever is done in whatever order, both hold the same (hypothesis decides the order)."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from truth import agrees, gaussian

import latentstore
from latentstore import Collection, DuplicateId, Item, ItemNotFound, Source
from latentstore.encoders.hashing import HashingEncoder

IDS = [f"i{number}" for number in range(12)]
WORDS = ["red fox", "blue whale", "red blue", "old stone tower", "", "a fox in a tower"]
TABLE = gaussian(40, 64, seed=3)  # some vectors come twice, so there are ties
METADATA = st.fixed_dictionaries(
    {},
    optional={
        "n": st.integers(-5, 5),
        "f": st.sampled_from([0.5, 1.0, -2.0, 3]),
        "s": st.sampled_from(["a", "B'", "ß"]),
    },
)
ITEMS = st.dictionaries(
    st.sampled_from(IDS), st.tuples(METADATA, st.integers(0, 29), st.sampled_from(WORDS)), min_size=1, max_size=6
)
SOME = st.lists(st.sampled_from(IDS), max_size=5, unique=True)
CONFLICTS = st.sampled_from(["error", "replace", "skip"])
FILTERS = {
    "n > 0": lambda row: row.get("n") is not None and row["n"] > 0,
    "n is null": lambda row: row.get("n") is None,
    "f <= 1 or s = 'ß'": lambda row: (row.get("f") is not None and row["f"] <= 1) or row.get("s") == "ß",
    "true": lambda row: True,
    "n = 99": lambda row: False,
}
ENCODER = HashingEncoder()


class StoreAsADict(RuleBasedStateMachine):
    """`model`: id → (text, vector, metadata without nulls); `attached`: id → bytes; `ledger`: uri → size."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="latentstore-model-"))
        self.copies = 0
        self.model: dict[str, tuple[str | None, np.ndarray[Any, Any], dict[str, Any]]] = {}
        self.attached: dict[str, bytes] = {}
        self.ledger: dict[str, int] = {}
        self.path = self.folder / "pile"
        self.store = latentstore.open(self.path)
        made = self.store.create("items", encoders=["hashing"])
        made.add(["first"], ids=["first"], metadata=[{"n": 0, "f": 0.5, "s": "x"}])
        made.delete(["first"])

    @property
    def items(self) -> Collection:
        return self.store.collection("items")

    def _fresh(self) -> Path:
        self.copies += 1
        return self.folder / f"copy {self.copies}"

    @rule(batch=ITEMS, on_conflict=CONFLICTS, as_text=st.booleans())
    def add(self, batch: dict[str, Any], on_conflict: str, as_text: bool) -> None:
        names, rows = list(batch), [dict(row) for row, _, _ in batch.values()]
        texts = [text for _, _, text in batch.values()]
        vectors = ENCODER.encode(texts) if as_text else TABLE[[at for _, at, _ in batch.values()]]
        given: dict[str, Any] = (
            {"items": texts} if as_text else {"vectors": vectors, "fingerprint": ENCODER.fingerprint}
        )
        held = [name for name in names if name in self.model]
        if held and on_conflict == "error":
            with pytest.raises(DuplicateId):
                self.items.add(**given, ids=names, metadata=rows, on_conflict=on_conflict)
            return
        written = self.items.add(**given, ids=names, metadata=rows, on_conflict=on_conflict)
        skipped = len(held) if on_conflict == "skip" else 0
        assert (written.ids, written.skipped) == (names, skipped)
        assert (written.inserted, written.replaced) == (len(names) - len(held), len(held) - skipped)
        for name, row, text, vector in zip(names, rows, texts, vectors, strict=True):
            if on_conflict == "replace" or name not in self.model:
                self.model[name] = (text if as_text else None, vector, row)
                self.attached.pop(name, None)

    @rule(
        texts=st.dictionaries(st.sampled_from(IDS), st.sampled_from(WORDS), max_size=4),
        on_conflict=CONFLICTS,
        stale=SOME,
        sizes=st.dictionaries(st.sampled_from(IDS), st.integers(0, 9), max_size=3),
        forget=SOME,
    )
    def read(
        self, texts: dict[str, str], on_conflict: str, stale: list[str], sizes: dict[str, int], forget: list[str]
    ) -> None:
        items = [Item(name, text, attachments={"x": text.encode()}) for name, text in texts.items()]
        given: dict[str, Any] = {"sources": [Source(*line) for line in sizes.items()], "stale": stale, "forget": forget}
        held = self.model.keys() & texts.keys() - set(stale)
        if held and on_conflict == "error":
            with pytest.raises(DuplicateId):
                self.items.add(items, on_conflict=on_conflict, **given)
            return
        written = self.items.add(items, on_conflict=on_conflict, **given)
        assert written.deleted == len(self.model.keys() & set(stale) - texts.keys())
        self._gone(stale)
        for name, text in texts.items():
            if on_conflict == "replace" or name not in self.model:
                self.model[name] = (text, ENCODER.encode([text])[0], {})
                self.attached[name] = text.encode()
        self.ledger = {uri: size for uri, size in self.ledger.items() if uri not in forget} | sizes

    def _gone(self, names: list[str]) -> None:
        for name in names:
            self.model.pop(name, None)
            self.attached.pop(name, None)

    @rule(changes=st.dictionaries(st.sampled_from(IDS), METADATA, min_size=1, max_size=4))
    def update(self, changes: dict[str, dict[str, Any]]) -> None:
        if not changes.keys() <= self.model.keys():
            with pytest.raises(ItemNotFound):
                self.items.update(list(changes), list(changes.values()))
            return
        assert self.items.update(list(changes), list(changes.values())) == len(changes)
        for name, change in changes.items():
            text, vector, row = self.model[name]
            self.model[name] = (text, vector, row | change)

    @rule(names=SOME)
    def delete(self, names: list[str]) -> None:
        assert self.items.delete(names) == len(self.model.keys() & set(names))
        self._gone(names)

    @rule(where=st.sampled_from(["n > 0", "n = 99", "f <= 1 or s = 'ß'"]))
    def delete_where(self, where: str) -> None:
        doomed = [name for name, (_, _, row) in self.model.items() if FILTERS[where](row)]
        assert self.items.delete(where=where) == len(doomed)
        self._gone(doomed)

    @rule(at=st.integers(0, 39), k=st.integers(1, 15), where=st.sampled_from([None, *FILTERS]), exact=st.booleans())
    def search(self, at: int, k: int, where: str | None, exact: bool) -> None:
        passing = {name: vector for name, (_, vector, row) in self.model.items() if FILTERS[where or "true"](row)}
        hits = self.items.search(TABLE[at], k, where=where, exact=exact)
        agrees(hits, TABLE[at], passing, "cosine", k)
        for hit in hits:
            self._is(hit.id, hit.text, hit.metadata)

    @rule(words=st.sampled_from(WORDS))
    def search_by_text(self, words: str) -> None:
        vectors = {name: vector for name, (_, vector, _) in self.model.items()}
        agrees(self.items.search(words, 5), ENCODER.encode([words])[0], vectors, "cosine", 5)

    @rule(name=st.sampled_from(IDS))
    def similar(self, name: str) -> None:
        if name not in self.model:
            with pytest.raises(ItemNotFound):
                self.items.similar(name)
            return
        others = {other: vector for other, (_, vector, _) in self.model.items() if other != name}
        agrees(self.items.similar(name, 4), self.model[name][1], others, "cosine", 4)

    @rule(where=st.sampled_from(list(FILTERS)))
    def count(self, where: str) -> None:
        passing = {name for name, (_, _, row) in self.model.items() if FILTERS[where](row)}
        assert self.items.count(where) == len(passing)
        assert {row["id"] for row in self.items.sql(f"select id from items where {where}")} == passing
        names, vectors = self.items.space().vectors(where=where)
        assert set(names) == passing
        for name, vector in zip(names, vectors, strict=True):
            np.testing.assert_array_equal(vector, self.model[name][1])

    @rule()
    def optimize(self) -> None:
        self.items.optimize()

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = latentstore.open(self.path, create=False)

    @rule()
    def move_by_backup(self) -> None:
        copy, target = self._fresh(), self._fresh()
        self.store.backup(copy)
        self.store.close()
        assert latentstore.restore(copy, target).ok
        self.path, self.store = target, latentstore.open(target)

    @rule()
    def move_by_export(self) -> None:
        file, target = self._fresh(), self._fresh()
        assert self.items.export_parquet(file) == len(self.model)
        self.store.close()
        self.path, self.store = target, latentstore.open(target)
        made = self.store.create("items", encoders=["hashing"])
        made.add(["first"], ids=["first"], metadata=[{"n": 0, "f": 0.5, "s": "x"}])
        made.delete(["first"])
        assert made.import_parquet(file, batch=3) == len(self.model)
        self.attached, self.ledger = {}, {}  # these stay behind

    @precondition(lambda self: self.copies % 2 == 0)
    @rule()
    def verify(self) -> None:
        report = self.items.verify()
        assert report.ok, report.problems

    @invariant()
    def holds_the_same(self) -> None:
        if not hasattr(self, "store"):
            return
        assert len(self.items) == len(self.model)
        for item in self.items.get(list(self.model)):
            self._is(item.id, item.text, item.metadata)
        assert all((name in self.items) == (name in self.model) for name in IDS[:3])
        assert self.items.attachments(list(self.model), "x") == [self.attached.get(name) for name in self.model]
        assert dict(self.items.sql("select uri, size from sources").values) == self.ledger

    def _is(self, name: str | None, text: str | None, metadata: Any) -> None:
        wanted, _, row = self.model[name or ""]
        assert text == wanted
        assert {key: value for key, value in metadata.items() if value is not None} == row

    def teardown(self) -> None:
        if hasattr(self, "store"):
            assert self.items.verify().ok
            self.store.close()
            shutil.rmtree(self.folder)


class TestStoreAsADict(StoreAsADict.TestCase):  # type: ignore[name-defined,misc]
    settings = settings(
        max_examples=12,
        stateful_step_count=20,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.slow
@pytest.mark.timeout(1800)
class TestStoreAsADictForLong(StoreAsADict.TestCase):  # type: ignore[name-defined,misc]
    settings = settings(
        max_examples=150, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
    )
