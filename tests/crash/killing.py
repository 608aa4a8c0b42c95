"""Kills a job's child at a chosen call, inside it or at a chosen time, and judges what is left.

A strike is a kill before the n-th call that changes a file of the store, or in the middle of it, when only a share of
what it writes has been written.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from crash import tracing
from crash.workload import Model, Scenario, models

TESTS = Path(__file__).parent.parent
BLOCK = 256 << 10  # of DuckDB's file; one that holds its own bookkeeping is rewritten in place
Look = dict[str, Any]


class Step(NamedTuple):
    """A call on a file, relative to the folder that was watched. done: what was acknowledged by then; idle: no change."""

    call: str
    path: str
    size: int
    done: int
    idle: bool

    @property
    def is_block(self) -> bool:
        return self.path.endswith("catalog.duckdb") and self.size == BLOCK

    @property
    def kind(self) -> tuple[str, str]:
        """Steps of one kind are made by the same line: on the files of one generation, one space, one copy."""
        return self.call, re.sub(r"\d+|vectors-|rows-|sums-|\.(f32|i64|u64|at|bin)$", "#", self.path)


class Strike(NamedTuple):
    at: int
    share: float | None = None  # None: before the call


class Died(AssertionError):
    """A job that nobody killed did not end well."""


class Worker:
    """The process that forks the children. One job at a time."""

    def __init__(self) -> None:
        mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # The repository first: a folder of tests bears the name of a package.
        settings = {
            "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "crash.worker", str(its.fileno())],
            pass_fds=[its.fileno()],
            env=os.environ | settings,
        )
        its.close()
        self._line = mine
        self.watches = bool(self._receive()["watched"])

    def close(self) -> None:
        self._line.close()
        self._process.wait()

    def _receive(self) -> dict[str, Any]:
        return json.loads(self._line.recv(1 << 20))

    def _ask(self, job: str, arguments: dict[str, Any], *, watched: bool, result: Path | None = None) -> list[int]:
        request = {"job": job, "arguments": arguments, "watched": watched, "result": result and str(result)}
        self._line.send(json.dumps(request).encode())
        answer, listeners, _, _ = socket.recv_fds(self._line, 1 << 20, 1)
        self.child = int(json.loads(answer)["pid"])
        return listeners

    def _ended(self, *, killed: bool) -> None:
        status = self._receive()["status"]
        if status and not (killed and os.WIFSIGNALED(status)):
            raise Died(f"the child ended with wait status {status}; its own words are above")

    def do(self, job: str, **arguments: Any) -> None:
        self._ask(job, arguments, watched=False)
        self._ended(killed=False)

    def mend(self, store: Path, scratch: Path) -> str | None:
        """Repair a store that refuses to open. Returns what it said, None where it opened."""
        self._ask("mend", {"store": str(store)}, watched=False, result=scratch)
        self._ended(killed=False)
        return json.loads(scratch.read_text())["refusal"]

    def look(self, store: Path, scratch: Path, *, probe: bool = False) -> Look:
        """What the store holds when it is opened, in a process of its own. probe: add one more item then."""
        self._ask("look", {"store": str(store), "probe": probe}, watched=False, result=scratch)
        self._ended(killed=False)
        return json.loads(scratch.read_text())

    def interrupt(self, seconds: float, job: str, **arguments: Any) -> None:
        """Kill a job after a time, wherever it is then."""
        self._ask(job, arguments, watched=False)
        timer = threading.Timer(seconds, self._kill)
        timer.start()
        self._ended(killed=True)
        timer.cancel()
        timer.join()

    def watch(
        self,
        root: Path,
        job: str,
        strike: Strike | None = None,
        see: Callable[[tracing.Call], None] | None = None,
        **arguments: Any,
    ) -> list[Step]:
        """The steps of a job under `root` until it ended or was struck. see: called while each is being held."""
        [listener] = self._ask(job, arguments, watched=True)
        steps: list[Step] = []
        for call in tracing.held(listener):
            if f"{call.path}/".startswith(f"{root}/"):
                if strike is not None and len(steps) == strike.at:
                    if strike.share is not None:
                        call.torn(strike.share)
                    self._kill()
                    continue
                if see is not None:
                    see(call)
                done = _size(arguments.get("acks"))
                steps.append(Step(call.name, os.path.relpath(call.path, root), call.size, done, call.idle))
            tracing.release(listener, call)
        os.close(listener)
        self._ended(killed=strike is not None)
        return steps

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child, signal.SIGKILL)


class Case:
    """One scenario in a folder of its own: made once, copied for each strike."""

    def __init__(self, worker: Worker, scenario: Scenario, folder: Path) -> None:
        self.worker, self.scenario, self.folder = worker, scenario, folder
        self.base, self.root, self.acks = folder / "base", folder / "root", folder / "acks"
        self.base.mkdir()
        self.models = models(scenario.acts, models(scenario.before)[-1])
        if scenario.bare:
            self.models.insert(0, {})
            return
        worker.do("run", **self.job(self.base, scenario.before) | {"close": not scenario.abandoned})
        if scenario.wreck is not None:
            scenario.wreck(self.base / "pile")

    def job(self, root: Path, acts: Sequence[Any]) -> dict[str, Any]:
        listed = self.folder / "acts"
        listed.write_text(json.dumps(acts))
        pile, acks = str(root / "pile"), str(self.acks)
        return {"store": pile, "acts": str(listed), "acks": acks, "index": self.scenario.index}

    @property
    def struck(self) -> range:
        """The acts, by the number acknowledged before, that are struck by default."""
        if self.scenario.bare:
            return range(1)
        return range(99) if self.scenario.throughout else range(1, len(self.models))

    def clear(self, root: Path) -> None:
        shutil.rmtree(root, ignore_errors=True)

    def fresh(self) -> None:
        self.clear(self.root)
        shutil.copytree(self.base, self.root)
        self.acks.write_bytes(b"")

    def play(self, strike: Strike | None = None, see: Callable[[tracing.Call], None] | None = None) -> list[Step]:
        self.fresh()
        return self.worker.watch(self.root, "run", strike, see, **self.job(self.root, self.scenario.acts))

    @property
    def acknowledged(self) -> int:
        """The first of `models` that may be there. Opening is acknowledged before the acts, closing after them."""
        opening = 0 if self.scenario.bare else 1
        return min(max(_size(self.acks) - opening, 0), len(self.models) - 1)

    def stores(self, root: Path, acknowledged: int) -> list[Path]:
        """The stores in `root`, among them all that must be."""
        found = {path.name for path in root.iterdir() if path.suffix != ".part"}
        copies = [act.names[0] for act in self.scenario.acts[:acknowledged] if act.verb in ("backup", "restore")]
        wanted = {*copies, *(["pile"] if acknowledged or not self.scenario.bare else [])}
        assert found >= wanted, f"{wanted - found} is gone"
        return [root / name for name in sorted(found)]

    def judge(self, root: Path, acknowledged: int) -> None:
        """Invariants 1, 2, 3 and 5 over every store in `root`: a prefix of the commits, with all that was acknowledged."""
        allowed = self.models[acknowledged : acknowledged + 2]
        for store in self.stores(root, acknowledged):
            found = self.worker.look(store, self.folder / "look", probe=not self.scenario.again)
            assert not found["problems"], f"{store.name}: {found['problems']}"
            assert any(found["items"] == model for model in allowed), f"{store.name}: {_difference(found, allowed)}"
            assert not leftovers(found["files"]), leftovers(found["files"])

    def again(self) -> None:
        """Do what was struck once more, and find it done."""
        there = {path.name for path in self.root.iterdir()}
        left = [act for act in self.scenario.acts if not there & set(act.names)]
        self.worker.do("run", **self.job(self.root, left))
        expected = {*there, *(name for act in left for name in act.names)}
        assert {path.name for path in self.root.iterdir()} == {name for name in expected if ".part" not in name}


def every_strike(steps: Sequence[Step]) -> Iterator[Strike]:
    """Before each step, and thrice inside each write, but for blocks of the catalog, which have a test of their own.

    After a step that changed nothing a kill leaves what it left before.
    """
    for at, step in enumerate(steps):
        if not at or not steps[at - 1].idle:
            yield Strike(at)
        if step.size > 1 and not step.is_block:
            yield from (Strike(at, share) for share in (0.01, 0.5, 0.99))


def some_strikes(steps: Sequence[Step], acts: range) -> Iterator[Strike]:
    """Once before and once inside each kind of step, while acts of these numbers were being done."""
    seen = set()
    for strike in every_strike(steps):
        step, torn = steps[strike.at], strike.share is not None
        wanted = step.done in acts and not (torn and step.path.endswith(".tmp"))
        if wanted and (step.kind, torn) not in seen and strike.share in (None, 0.5):
            seen.add((step.kind, torn))
            yield strike


def sweep(case: Case, *, every: bool) -> None:
    """Strike a scenario all over, judging each time."""
    steps = case.play()
    case.judge(case.root, len(case.models) - 1)
    for strike in every_strike(steps) if every else some_strikes(steps, case.struck):
        before = case.play(strike)
        try:
            case.judge(case.root, case.acknowledged)
            if case.scenario.again and (every or strike.share is not None):
                case.again()
                case.judge(case.root, len(case.models) - 1)
        except AssertionError as fault:
            where = steps[strike.at] if strike.at < len(steps) else "past the end"
            raise AssertionError(f"struck at {strike} ({where}), after {before[-3:]}: {fault}") from fault


def _size(path: str | Path | None) -> int:
    return Path(path).stat().st_size if path is not None and Path(path).exists() else 0


def leftovers(files: Sequence[str]) -> list[str]:
    """What an open for writing must have removed: temporary files, half-made collections, a second generation."""
    odd = [name for name in files if re.search(r"(^|/)\.(new|old)-|(faiss|[0-9]+)\.tmp(/|$)|inputs\.raw$", name)]
    seen: dict[str, str] = {}
    for name in files:
        kind = re.sub(r"-\d+\.", "-#.", name)
        odd += [name] if "-#." in kind and kind in seen else []
        seen[kind] = name
    return odd


def _difference(found: Look, allowed: Sequence[Model]) -> str:
    names = {collection: sorted(items) for collection, items in found["items"].items()}
    wanted = [{collection: sorted(items) for collection, items in model.items()} for model in allowed]
    if names not in wanted:
        return f"holds {names}, expected one of {wanted}"
    model = allowed[wanted.index(names)]
    return "; ".join(
        f"{name} is {item}, expected {model[collection][name]}"
        for collection, items in found["items"].items()
        for name, item in items.items()
        if item != model[collection][name]
    )[:2000]
