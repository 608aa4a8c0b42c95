"""One worker for all crash tests of a run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crash.killing import Worker


@pytest.fixture(scope="session")
def worker() -> Iterator[Worker]:
    made = Worker()
    yield made
    made.close()


@pytest.fixture
def watcher(worker: Worker) -> Worker:
    """A worker that sees each file call of its children."""
    if not worker.watches:
        pytest.skip("this kernel lets no process watch another's file calls (seccomp listeners)")
    return worker
