"""The process that forks one child a job: everything is imported once, and no thread runs before a child's own.

Spoken to over a socket: a job as JSON comes in; the child's process id goes out, with the listener of its file calls
where it is watched; and when it has ended, its exit status.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import ingest
import latentstore
from crash import tracing
from crash.workload import DOCS, LATENT, LEDGER, Act, apply, begin, ids
from latentstore.engine.studies.keep import history


def run(store: str, acts: str, acks: str, index: str | None = None, close: bool = True) -> None:
    """Open, do the acts that the file lists, close: each acknowledged by a byte in `acks` once it has returned."""
    fd = os.open(acks, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    opened = latentstore.open(store)
    begin(opened, index)
    os.write(fd, b".")
    for act in json.loads(Path(acts).read_text()):
        apply(opened, Act(*act))
        os.write(fd, b".")
    if close:
        opened.close()
        os.write(fd, b".")


def look(store: str, probe: bool = False) -> dict[str, Any]:
    """What a store holds, opened as anybody would. probe: one more item goes in then, for a store must also go on."""
    with latentstore.open(store) as opened:
        report = opened.verify()
        found = {name: _contents(opened.collection(name)) for name in opened.collections()}
        faults = [fault for name in found for fault in _misled(opened.collection(name), found[name])]
        faults += [fault for name in found for fault in _apart(opened.collection(name), found[name])]
        faults += [fault for name in found for fault in _strayed(opened.collection(name))]
        held = opened.collections()
        if probe and DOCS in held:
            apply(opened, Act("add", ["probe"], "p"))
            report.problems.extend(opened.collection("docs").verify().problems)
            faults += _strayed(opened.collection(DOCS))
        lines = opened.collection(DOCS).sql("select uri, stamp from sources").values if DOCS in held else []
        found |= {LEDGER: {uri: [stamp] for uri, stamp in lines}} if lines else {}
        fitted = _fitted(opened.collection(DOCS)) if DOCS in held else {}
        found |= {LATENT: fitted} if fitted else {}
    files = [str(path.relative_to(store)) for path in Path(store).rglob("*") if path.is_file()]
    return {"items": found, "problems": [*report.problems, *faults], "files": files}


def mend(store: str) -> dict[str, Any]:
    """What opening a damaged store says, and what repair makes of it."""
    refusal = None
    try:
        with latentstore.open(store) as opened:
            opened.collections() and opened.collection("docs")
    except latentstore.Corrupted as error:
        refusal = str(error)
        latentstore.repair(store)
    return {"refusal": refusal}


def _contents(collection: latentstore.Collection) -> dict[str, list[Any]]:
    names = [row["id"] for row in collection.sql("select id from items")]
    items = {item.id: item for item in collection.get(names)}
    there, vectors = collection.space().vectors() if names else ([], [])
    found = {
        name: [items[name].text, {k: v for k, v in items[name].metadata.items() if v is not None}, vector.tolist()]
        for name, vector in zip(there, vectors, strict=True)
    }
    attached = {what: collection.attachments(there, what) for what in ("content", "shared")}
    for at, name in enumerate(there):
        kept = {what: contents[at].decode() for what, contents in attached.items() if contents[at] is not None}
        found[name] += [kept] if kept else []
    return found


def _misled(collection: latentstore.Collection, items: dict[str, list[Any]]) -> list[str]:
    """Searches that do not find all there is and nothing else, each item nearest to itself (invariants 3 and 5)."""
    faults = []
    for name in list(items)[:: max(1, len(items) // 4)]:
        for exact in (True, False):
            hits = collection.search(items[name][2], k=len(items) + 3, exact=exact)
            if hits.ids[0] != name or hits.distances[0] > 1e-5 or sorted(hits.ids) != sorted(items):
                faults.append(f"searching for {name!r}, exact={exact}, found {hits.ids}")
    return faults


def _apart(collection: latentstore.Collection, items: dict[str, list[Any]]) -> list[str]:
    """A column whose study is not there: they come in one commit."""
    studies = history(collection.engine)
    tag = studies[-1].parameters["tag"] if studies else None
    findings = [held[1]["finding"] for held in items.values() if "finding" in held[1]]
    return [f"{finding!r} is not of the last study, {tag!r}" for finding in findings if not finding.endswith(f" {tag}")]


def _fitted(collection: latentstore.Collection) -> dict[str, list[Any]]:
    views = [view.row for view in collection.engine.snapshot.latent]
    return {row.name: [row.dim, row.active, not collection.space(row.name).lag] for row in views}


def _strayed(collection: latentstore.Collection) -> list[str]:
    """Items whose latent is not the one that the model makes of their vector; those that are missing are the last ones, and counted."""
    faults = []
    there, vectors = collection.space().vectors() if len(collection) else ([], [])
    for view in collection.engine.snapshot.latent:
        space = collection.space(view.row.name)
        ids, latents = space.vectors()
        apart = np.abs(latents - space.latent.encode(vectors[: len(ids)])).max() if ids == there[: len(ids)] else np.inf
        if apart > 1e-4 or len(ids) + space.lag != len(there):
            faults.append(
                f"{view.row.name} holds {len(ids)} of {len(there)} items, {apart} apart, and lags by {space.lag}"
            )
    stray = {path.name for path in (collection.engine.folder / "spaces").iterdir()} - set(
        collection.engine.snapshot.spaces
    )
    return [*faults, *(f"the folder {name} is of no space" for name in stray)]


def take(store: str, sources: list[str], batch: int) -> None:
    """An ingest job."""
    ingest.run(store, sources, encoders=["hashing"], options=ingest.Options(batch=batch, chunk_tokens=32))


JOBS: dict[str, Callable[..., Any]] = {"run": run, "look": look, "mend": mend, "take": take}


def main(fd: int) -> None:
    with socket.socket(fileno=fd) as line:
        watched = _warm()
        line.send(json.dumps({"watched": watched}).encode())
        while job := json.loads(line.recv(1 << 20) or "null"):
            child = os.fork()
            if not child:
                _child(line, job)
            _, status = os.waitpid(child, 0)
            line.send(json.dumps({"status": status}).encode())


def _warm() -> bool:
    """Import what the jobs import late, as a first child found out. Returns whether the kernel lets calls be watched."""
    with tempfile.TemporaryDirectory() as folder:
        child = os.fork()
        if not child:
            _rehearse(Path(folder))
            os._exit(0)
        os.waitpid(child, 0)
        for name in (Path(folder) / "modules").read_text().split():
            # Compiled modules register parts of themselves that are nowhere to import from.
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        return (Path(folder) / "watched").exists()


def _rehearse(folder: Path) -> None:
    (folder / "text.txt").write_text("One text.")
    acts = [Act("add", ids(0, 20), "a"), Act("optimize"), Act("fit", ["axes"], "2"), Act("switch", ["axes"], "1")]
    (folder / "acts").write_text(json.dumps(acts))
    run(str(folder / "store"), str(folder / "acts"), str(folder / "acks"), "hnsw")
    look(str(folder / "store"))
    take(str(folder / "taken"), [str(folder / "text.txt")], 5)
    (folder / "modules").write_text("\n".join(sys.modules))
    try:
        os.close(tracing.watch())
    except OSError:
        return
    # Writing would fail now that nobody listens; making a named pipe is not watched.
    os.mkfifo(folder / "watched")


def _child(line: socket.socket, job: dict[str, Any]) -> None:
    code = 1
    try:
        os.setsid()
        listeners = [tracing.watch()] if job["watched"] else []
        socket.send_fds(line, [json.dumps({"pid": os.getpid()}).encode()], listeners)
        for fd in listeners:
            os.close(fd)
        result = JOBS[job["job"]](**job["arguments"])
        if job["result"]:
            Path(job["result"]).write_text(json.dumps(result))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        # Not the interpreter's own end: a store that the job left open must stay as a dead process leaves it.
        os._exit(code)


if __name__ == "__main__":
    main(int(sys.argv[1]))
