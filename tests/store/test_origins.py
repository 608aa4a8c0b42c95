"""origins: whether the file behind a uri is still what was read, told without opening it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from latentstore import Collection, InvalidInput, Origin, Source


def recorded(path: Path, text: str = "text") -> Source:
    path.write_text(text)
    found = path.stat()
    return Source(str(path), found.st_size, found.st_mtime)


def test_a_file_is_there_until_its_size_or_its_time_changes_or_it_goes(points: Collection, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("kept", "grown", "touched", "gone", "folder")]
    points.add(sources=[recorded(path) for path in paths])
    paths[1].write_text("longer text")
    os.utime(paths[1], ns=(paths[0].stat().st_mtime_ns,) * 2)
    os.utime(paths[2], (1, 1))
    paths[3].unlink()
    paths[4].unlink()
    paths[4].mkdir()
    found = points.origins([str(path) for path in reversed(paths)])
    assert found == [Origin.GONE, Origin.GONE, Origin.CHANGED, Origin.CHANGED, Origin.THERE]


def test_a_member_of_an_archive_is_judged_by_the_archive_if_the_ledger_has_both(
    points: Collection, tmp_path: Path
) -> None:
    known, unknown = recorded(tmp_path / "known.zip"), recorded(tmp_path / "unknown.zip")
    members = [Source(f"{archive.uri}!/in/a.txt", 3) for archive in (known, unknown)]
    points.add(sources=[known, *members])
    asked = [members[0].uri, members[1].uri, f"{known.uri}!/in/b.txt"]
    assert points.origins(asked) == [Origin.THERE, Origin.UNKNOWN, Origin.UNKNOWN]
    (tmp_path / "known.zip").unlink()
    assert points.origins(asked) == [Origin.GONE, Origin.UNKNOWN, Origin.UNKNOWN]


def test_what_is_no_file_here_or_was_never_recorded_is_unknown(points: Collection, tmp_path: Path) -> None:
    odd = ["https://example.org/a", "relative.txt", "s3://bucket/a", "-", f"/{'a' * 5000}", "/no\\xe9.txt"]
    points.add(sources=[Source(uri, 1) for uri in odd])
    (tmp_path / "there").write_text("text")
    asked = [*odd, str(tmp_path / "there"), "", "a\0b", "/a\ud800", "/" * 10_000]
    assert points.origins(asked) == [Origin.UNKNOWN] * len(asked)


def test_uris_must_be_a_list_of_strings(points: Collection) -> None:
    assert points.origins([]) == []
    for wrong in ("/a", [3], 3):
        with pytest.raises(InvalidInput, match="uris is a list of strings"):
            points.origins(wrong)  # type: ignore[arg-type]
