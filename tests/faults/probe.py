"""A process that looks at damaged stores and says, one JSON line a store, what it got: so that a crash of it is seen, too.

Each question is put to a fork of its own. A verdict is a dict of what was asked → "right", "refused: <class>: <message>",
"wrong: …", "foreign: …" (an exception that is none of ours); or {"signal": n} where the fork died of it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import starving
from stores import Kept, load_model
from truth import agrees, gaussian

import latentstore
from latentstore import Collection, LatentstoreError

Verdict = dict[str, Any]


def answer(question: dict[str, Any]) -> Verdict:
    """Put to the fork."""
    verdict: Verdict = {}
    path, model = Path(question["store"]), load_model(Path(question["model"]))
    if question.get("repair"):
        _repair(path, model, verdict)
    if "uid" in question:
        # What is imported late must be there already: this user may not be let into Python's own folders.
        _look(Path(question["warm"]), model, False, {})
        os.setgid(question["uid"])
        os.setuid(question["uid"])
    # Repair has opened the store for writing already.
    for read_only in (True,) if question.get("repair") else (True, False):
        _look(path, model, read_only, verdict)
    return verdict


def starve(question: dict[str, Any]) -> Verdict:
    """Let one operation meet a full disk; the store that is open must go on, and the next one to open it find all there is."""
    verdict: Verdict = {}
    path, (kind, model) = Path(question["store"]), next(iter(load_model(Path(question["model"])).items()))
    path.parent.mkdir(parents=True, exist_ok=True)
    if question["by"] == "space":
        try:
            starving.mount(path.parent)
        except PermissionError as error:
            return {"skipped": str(error)}
    shutil.copytree(question["from"], path)
    full = (
        starving.filled(path.parent, question["amount"])
        if question["by"] == "space"
        else starving.limited(question["amount"])
    )
    if question["operation"] == "open":
        with full:
            _look(path, {kind: model}, True, verdict, "full: ")
            _look(path, {kind: model}, False, verdict, "full: ")
    else:
        _starve(path, kind, model, question["operation"], full, verdict)
    for read_only in (True, False):
        _look(path, {kind: model}, read_only, verdict, "later: ")
    return verdict


def _starve(path: Path, kind: str, model: dict[str, Any], operation: str, full: Any, verdict: Verdict) -> None:
    store = latentstore.open(path)
    kept = Kept(store.collection(kind), model)
    with full:
        _ask(verdict, "operation", lambda: starving.OPERATIONS[operation](store, kept))
        _look_into(kept.collection, model, "full: ", verdict)
        if verdict["operation"] != "right":
            verdict["leftovers"] = starving.leftovers(path)
    _look_into(kept.collection, model, "room: ", verdict)
    _ask(verdict, "add", lambda: kept.add(5000, 5, kept.collection.space().dim or 1, seed=7))
    _look_into(kept.collection, model, "added: ", verdict)
    _ask(verdict, "close", store.close)


def _ask(verdict: Verdict, what: str, work: Callable[[], Any]) -> Any:
    try:
        found = work()
        verdict[what] = "right"
        return found
    except LatentstoreError as error:
        verdict[what] = f"refused: {type(error).__name__}: {error}"
    except AssertionError as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        verdict[what] = f"wrong: {where.line}: {str(error)[:300]}"
    except BaseException as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        verdict[what] = f"foreign: {type(error).__name__}: {error} ({where.filename}:{where.lineno})"
    return None


def _look(path: Path, model: dict[str, Any], read_only: bool, verdict: Verdict, when: str = "") -> None:
    mode = when + ("read" if read_only else "write")
    store = _ask(verdict, f"{mode}: open", lambda: latentstore.open(path, create=False, read_only=read_only))
    if store is None:
        return
    found = _ask(verdict, f"{mode}: collections", lambda: _same(store.collections(), sorted(model)))
    for name in model if found else ():
        collection = _ask(verdict, f"{mode}: {name}", lambda name=name: store.collection(name))
        if collection is not None:
            _look_into(collection, model[name], f"{mode}: {name}: ", verdict)
    _ask(verdict, f"{mode}: close", store.close)


def _look_into(collection: Collection, model: dict[str, Any], name: str, verdict: Verdict) -> None:
    for what, check in QUESTIONS.items():
        _ask(verdict, name + what, lambda check=check: check(collection, model))
    report = _ask(verdict, name + "verify", collection.verify)
    verdict[name + "problems"] = report.problems if report is not None else ["verify refused"]


def _same(found: Any, expected: Any) -> bool:
    assert found == expected, f"{found} instead of {expected}"
    return True


def _vectors(model: dict[str, Any], keep: Callable[[Any], bool] = lambda item: True) -> dict[str, Any]:
    return {name: np.array(item["vector"], np.float32) for name, item in model.items() if keep(item)}


def _count(collection: Collection, model: dict[str, Any]) -> None:
    assert len(collection) == len(model)


def _exact(collection: Collection, model: dict[str, Any]) -> None:
    _search(collection, model, exact=True)


def _search(collection: Collection, model: dict[str, Any], exact: bool = False) -> None:
    vectors, metric = _vectors(model), str(collection.space().metric)
    dim = collection.space().dim or 1
    for query in gaussian(3, dim, seed=9):
        hits = collection.search(query, 5, exact=exact)
        if exact:
            agrees(hits, query, vectors, metric, 5)
        assert all(_item(hit) == _expected(model, hit.id) for hit in hits)


def _filtered(collection: Collection, model: dict[str, Any]) -> None:
    if "tag" in collection.info()["columns"]:
        vectors = _vectors(model, lambda item: item["metadata"]["tag"] == "t1")
        query = gaussian(1, collection.space().dim or 1, seed=8)[0]
        agrees(collection.search(query, 5, where="tag = 't1'"), query, vectors, str(collection.space().metric), 5)


def _item(one: Any) -> tuple[Any, ...]:
    return one.text, one.uri, one.metadata


def _expected(model: dict[str, Any], name: str) -> tuple[Any, ...]:
    assert name in model, f"{name} should not be there"
    return model[name]["text"], model[name]["uri"], model[name]["metadata"]


def _get(collection: Collection, model: dict[str, Any]) -> None:
    for item in collection.get(sorted(model)):
        assert _item(item) == _expected(model, item.id), f"{item} instead of {model[item.id]}"


def _sql(collection: Collection, model: dict[str, Any]) -> None:
    found = collection.sql("select * from items")
    assert {row["id"]: row["text"] for row in found} == {name: item["text"] for name, item in model.items()}
    for row in found:
        assert {key: row[key] for key in model[row["id"]]["metadata"]} == model[row["id"]]["metadata"]


def _all(collection: Collection, model: dict[str, Any]) -> None:
    found, vectors = collection.space().vectors()
    assert set(found) == set(model) and len(found) == len(model)
    assert all(
        (vector == np.array(model[name]["vector"], np.float32)).all()
        for name, vector in zip(found, vectors, strict=True)
    )


QUESTIONS: dict[str, Callable[[Collection, dict[str, Any]], None]] = {
    "count": _count,
    "exact": _exact,
    "search": _search,
    "filtered": _filtered,
    "get": _get,
    "sql": _sql,
    "vectors": _all,
}


def _repair(path: Path, model: dict[str, Any], verdict: Verdict) -> None:
    """Repair, and take what it reports as lost out of the model: the rest must be there unchanged."""
    report = _ask(verdict, "repair", lambda: latentstore.repair(path))
    if report is None:
        return
    verdict["repair: problems"], verdict["repair: mended"] = report.problems, report.mended
    verdict["repair: lost"] = report.lost
    for line in report.lost:
        name, _, item = line.partition(": ")
        model.get(name, {}).pop(item, None)


def fork(question: dict[str, Any]) -> Verdict:
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        signal.alarm(60)
        with os.fdopen(write, "w") as out:
            json.dump(starve(question) if "operation" in question else answer(question), out)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as found:
        text = found.read()
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return {"signal": os.WTERMSIG(status)}
    return json.loads(text) if text else {"signal": 0}  # type: ignore[no-any-return]


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(fork(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
