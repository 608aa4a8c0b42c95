"""What a child does to a store, and the plain dict that says what must be there afterwards.

Everything follows from names and tags, so the process that is killed and the one that judges need not share a byte.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import latentstore
from latentstore import Collection, Item, Source, Store
from latentstore.engine.studies.keep import Outcome, keep
from latentstore.engine.studies.sample import take

# collection → id → [text, metadata, vector], then {name: attachment} where there are any; LEDGER → uri → [stamp];
# LATENT → version of a space → [dim, whether it is the active one, whether every item is in it]
Model = dict[str, dict[str, list[Any]]]

DIM = 8
DOCS = "docs"
LEDGER = "the ledger of docs"
LATENT = "the latent spaces of docs"


class Act(NamedTuple):
    """One call. `names`: ids, or for create and drop the collection, for backup and restore the folder's name.

    fit: a space of that name, of as many dimensions as the tag says; switch: to the version that the tag says; blind: take its model
    away, so that adds leave it behind; wake: bring it back.
    read: the first half of the names come from sources of their own, the other half are stale, and their sources forgotten.
    """

    verb: str
    names: Sequence[str] = ()
    tag: str = ""


@dataclass(frozen=True)
class Scenario:
    """`before` makes the store; `acts` are what is struck. index: the kind that `docs` insists on."""

    before: Sequence[Act]
    acts: Sequence[Act]
    index: str | None = None
    abandoned: bool = False  # the store is left as by a process that died, rather than closed
    wreck: Callable[[Path], None] | None = None
    again: bool = False  # what was struck can simply be done again
    bare: bool = False  # there is no store yet: opening it is what is struck by default
    throughout: bool = False  # opening and closing are struck by default, too


def text(name: str, tag: str) -> str:
    return f"{name} as of {tag} " * 4


def metadata(name: str, tag: str) -> dict[str, Any]:
    """A tag that begins with 'w' brings columns of its own."""
    known = {"tag": tag, "length": len(name) + len(tag)}
    return known | {f"only {tag}": 0.5, "length": 2.25} if tag.startswith("w") else known


def vector(name: str, tag: str) -> list[float]:
    made = np.random.default_rng(zlib.crc32(f"{name}/{tag}".encode())).standard_normal(DIM)
    return made.astype(np.float32).tolist()


def attachments(name: str, tag: str) -> dict[str, str]:
    return {"content": f"{name} in {tag} " * 30, "shared": tag}


def uri(name: str) -> str:
    return f"/{name}"


def begin(store: Store, index: str | None) -> Collection:
    return store.get_or_create(DOCS, index=index)


def apply(store: Store, act: Act) -> None:
    names, tag = list(act.names), act.tag
    docs = store.collection(DOCS)
    if act.verb in ("add", "replace"):
        docs.add(
            [text(name, tag) for name in names],
            vectors=np.array([vector(name, tag) for name in names], np.float32),
            ids=names,
            metadata=[metadata(name, tag) for name in names],
            on_conflict="replace" if act.verb == "replace" else "error",
        )
    elif act.verb == "read":
        _read(docs, names, tag)
    elif act.verb == "update":
        docs.update(names, [metadata(name, tag) for name in names])
    elif act.verb == "delete":
        docs.delete(names)
    elif act.verb == "study":
        _study(docs, names, tag)
    elif act.verb == "optimize":
        docs.optimize()
    elif act.verb in _LATENT:
        _LATENT[act.verb](docs, names[0], tag)
    else:
        _change_store(store, act)


_LATENT: dict[str, Callable[[Collection, str, str], object]] = {
    "fit": lambda docs, name, tag: docs.space().fit("pca", int(tag), name),
    "switch": lambda docs, name, tag: docs.space(name).switch(int(tag)),
    "forget": lambda docs, name, tag: docs.drop_space(f"{name}@{tag}"),
    "backfill": lambda docs, name, tag: docs.space(name).backfill(),
    "blind": lambda docs, name, tag: _move_model(docs, name, "model", "elsewhere"),
    "wake": lambda docs, name, tag: _move_model(docs, name, "elsewhere", "model"),
}


def _move_model(docs: Collection, name: str, old: str, new: str) -> None:
    home = docs.engine.space_folder(f"{name}@1")
    (home / old).rename(home / new)
    docs.engine.models.clear()


def _study(docs: Collection, names: list[str], tag: str) -> None:
    """A study of some of the items, as its catalog row and a column tell it."""
    sample = take(docs.engine, None, f"id in ({', '.join(map(repr, names))})")
    found = {"finding": [f"{name} in {tag}" for name in sample.ids]}
    arrays = {"rows": sample.rows}
    keep(docs.engine, sample, Outcome("clusters", {"tag": tag}, 0, 0.0, {}, arrays, found))


def _read(docs: Collection, names: list[str], tag: str) -> None:
    read, stale = halves(names)
    kept = {name: {what: said.encode() for what, said in attachments(name, tag).items()} for name in read}
    docs.add(
        [Item(name, text(name, tag), uri(name), metadata(name, tag), attachments=kept[name]) for name in read],
        vectors=np.array([vector(name, tag) for name in read], np.float32) if read else None,
        on_conflict="replace",
        sources=[Source(uri(name), stamp=tag, items=1) for name in read],
        stale=stale,
        forget=[uri(name) for name in stale],
    )


def halves(names: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    middle = len(names) // 2
    return names[:middle], names[middle:]


def _change_store(store: Store, act: Act) -> None:
    [name] = act.names
    if act.verb == "create":
        store.create(name, encoders=["hashing"])
    elif act.verb == "drop":
        store.drop(name)
    elif act.verb == "backup":
        store.backup(store.path.parent / name)
    else:
        latentstore.restore(store.path.parent / "copy", store.path.parent / name)


def follow(model: Model, act: Act) -> Model:
    """What the store holds after the act, as a plain dict of plain dicts."""
    docs, ledger = dict(model[DOCS]), dict(model.get(LEDGER, {}))
    if act.verb in _LATENT:
        return {**model, LATENT: _fitted(dict(model.get(LATENT, {})), act)}
    for name in act.names:
        if act.verb in ("add", "replace"):
            docs[name] = [text(name, act.tag), metadata(name, act.tag), vector(name, act.tag)]
        elif act.verb == "read" and name in halves(act.names)[0]:
            made = [text(name, act.tag), metadata(name, act.tag), vector(name, act.tag)]
            docs[name], ledger[uri(name)] = [*made, attachments(name, act.tag)], [act.tag]
        elif act.verb == "read":
            docs.pop(name, None)
            ledger.pop(uri(name), None)
        elif act.verb == "update":
            docs[name] = [docs[name][0], docs[name][1] | metadata(name, act.tag), *docs[name][2:]]
        elif act.verb == "delete":
            docs.pop(name, None)
    if act.verb == "study":
        docs = {name: _found(name, kept, act) for name, kept in docs.items()}
    others = {name: items for name, items in model.items() if (act.verb, name) != ("drop", *act.names)}
    fresh = {act.names[0]: {}} if act.verb == "create" else {}
    others.pop(LEDGER, None)
    return {**others, **fresh, DOCS: docs, **({LEDGER: ledger} if ledger else {})}


def _fitted(spaces: dict[str, list[Any]], act: Act) -> dict[str, list[Any]]:
    own = f"{act.names[0]}@"
    if act.verb == "fit":
        return {**spaces, f"{own}{len(spaces) + 1}": [int(act.tag), not spaces, True]}
    if act.verb == "switch":
        return {name: [dim, name == own + act.tag, whole] for name, (dim, _, whole) in spaces.items()}
    if act.verb == "forget":
        return {name: kept for name, kept in spaces.items() if name != own + act.tag}
    return {name: [dim, active, act.verb == "backfill"] for name, (dim, active, _) in spaces.items()}


def _found(name: str, kept: list[Any], act: Act) -> list[Any]:
    known = {key: value for key, value in kept[1].items() if key != "finding"}
    found = {"finding": f"{name} in {act.tag}"} if name in act.names else {}
    return [kept[0], known | found, *kept[2:]]


def models(acts: Sequence[Act], start: Model | None = None) -> list[Model]:
    """The states before the first act, and after each."""
    states = [{DOCS: {}} if start is None else start]
    for act in acts:
        states.append(follow(states[-1], act))
    return states


def ids(start: int, stop: int) -> list[str]:
    return [f"item {at:05}" for at in range(start, stop)]


def spoil(store: Path) -> None:
    """What crashes leave, all at once: tails, files of generations that never came to be, half-dropped collections."""
    docs = store / DOCS
    for path in [*docs.glob("spaces/vectors/*-0.*"), docs / "records-0.bin"]:
        with path.open("ab") as file:
            file.write(b"\x07" * 999)
    (docs / "records-0.at").unlink()
    (docs / "attachments-1.bin").write_bytes(b"\x07" * 999)
    for name in ("vectors-1.f32", "rows-1.i64", "sums-1.u64", "index-9.faiss", "index-10.faiss.tmp"):
        (docs / "spaces/vectors" / name).write_bytes(b"\x07" * 999)
    for name in (".new-made", ".old-gone"):
        (store / name / "spaces").mkdir(parents=True)
        (store / name / "catalog.duckdb").write_bytes(b"\x07" * 999)


_SOME = [Act("add", ids(0, 12), "a")]
_CHANGED = [*_SOME, Act("add", ids(12, 40), "b"), Act("update", ids(3, 6), "c"), Act("delete", ids(8, 14))]
_READ = [*_SOME, Act("read", ids(20, 36), "r"), Act("read", [*ids(20, 22), *ids(26, 28)], "s")]
_COPIED = [*_CHANGED, Act("backup", ["copy"])]

SCENARIOS = {
    "making a store": Scenario([], [Act("add", ids(0, 2), "a")], bare=True),
    "adding the first batch": Scenario([], [Act("add", ids(0, 5), "a")]),
    "adding batches": Scenario(_SOME, [Act("add", ids(12, 20), "b"), Act("add", ids(20, 21), "c")], throughout=True),
    "adding with new columns": Scenario(_SOME, [Act("add", ids(12, 20), "w1")]),
    "adding without folding the log in": Scenario(_SOME, [Act("add", ids(12, 20), "b")], abandoned=True),
    "replacing": Scenario(_CHANGED, [Act("replace", ids(0, 20), "d")]),
    "reading sources": Scenario(
        _READ,
        [Act("read", [*ids(21, 23), "new", "item 00000", *ids(20, 21), "unknown"], "t"), Act("read", ids(23, 24), "")],
    ),
    "compacting attachments": Scenario(_READ, [Act("optimize"), Act("read", ["new", "item 00023"], "s")]),
    "updating": Scenario(_CHANGED, [Act("update", ids(0, 5), "w2")]),
    "keeping a study": Scenario(
        [*_CHANGED, Act("study", ids(2, 8), "s")], [Act("study", ids(3, 8), "t"), Act("delete", ids(3, 4))]
    ),
    "deleting": Scenario(_CHANGED, [Act("delete", ids(0, 5))]),
    "building and saving an index": Scenario(
        [Act("add", ids(0, 300), "a")], [Act("optimize")], index="hnsw", again=True
    ),
    "compacting": Scenario(_CHANGED, [Act("optimize"), Act("add", ids(50, 55), "e")], index="hnsw"),
    "creating a collection": Scenario(_SOME, [Act("create", ["more"])]),
    "dropping a collection": Scenario([*_SOME, Act("create", ["more"])], [Act("drop", ["more"])]),
    "fitting": Scenario(_CHANGED, [Act("fit", ["axes"], "2"), Act("replace", ids(38, 44), "e")]),
    "fitting again": Scenario([*_CHANGED, Act("fit", ["axes"], "2")], [Act("fit", ["axes"], "3")]),
    "switching": Scenario(
        [*_CHANGED, Act("fit", ["axes"], "2"), Act("fit", ["axes"], "3")],
        [Act("switch", ["axes"], "2"), Act("forget", ["axes"], "1")],
    ),
    "backfilling": Scenario(
        [
            *_CHANGED,
            Act("fit", ["axes"], "2"),
            Act("blind", ["axes"]),
            Act("add", ids(100, 700), "e"),
            Act("wake", ["axes"]),
        ],
        [Act("backfill", ["axes"])],
    ),
    "backing up": Scenario(_CHANGED, [Act("backup", ["copy"])], again=True),
    "restoring": Scenario(_COPIED, [Act("restore", ["again"])], again=True),
    "recovering": Scenario(_CHANGED, [], abandoned=True, wreck=spoil, throughout=True),
}

# The others take steps that these take too: the slow tests play them all.
_REPEATING = {
    "adding the first batch",
    "adding with new columns",
    "adding without folding the log in",
    "deleting",
    "creating a collection",
    "fitting again",
}
UNLIKE = [name for name in SCENARIOS if name not in _REPEATING]
