import bz2
import gzip
import io
import lzma
import os
import random
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pyarrow
import pytest

from ingest.limits import Limits
from ingest.results import Problem, Unreadable
from ingest.sources import Document, Kind, Patterns, find, members

TEXTS = {"a.txt": b"first", "sub/b.md": b"# second", "sub/deep/c.txt": b"third " * 1000}


def zipped(path: Path, texts=TEXTS, **options) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in texts.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, texts=TEXTS, mode="w", **options) -> Path:
    with tarfile.open(path, mode, **options) as archive:
        for name, content in texts.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(content), 1_000_000_000
            archive.addfile(entry, io.BytesIO(content))
    return path


def found(path: Path, limits=None, patterns=None, ignored=None) -> list[Document | Problem]:
    (archive,) = find([path], Patterns())
    with archive.local() as at:
        return list(
            members(archive, at, patterns or Patterns(), limits or Limits(), {} if ignored is None else ignored)
        )


def contents(path: Path, limits=None, patterns=None) -> dict[str, bytes | str]:
    """What each member holds, or why it cannot be read; the reason the archive ends for under an empty name."""
    (archive,) = find([path], Patterns())
    read: dict[str, bytes | str] = {}
    try:
        with archive.local() as at:
            _read(members(archive, at, patterns or Patterns(), limits or Limits(), {}), archive, patterns, limits, read)
    except Unreadable as cause:
        read[""] = str(cause)
    return read


def _read(listed, archive, patterns, limits, read) -> None:
    for member in listed:
        if isinstance(member, Problem):
            assert member.source.startswith(archive.uri)
            read[f"problem {len(read)}"] = member.reason
            continue
        name = member.uri.removeprefix(archive.uri + "!/")
        try:
            with member.local() as at:
                if member.kind is Kind.ARCHIVE:
                    _read(
                        members(member, at, patterns or Patterns(), limits or Limits(), {}),
                        archive,
                        patterns,
                        limits,
                        read,
                    )
                else:
                    read[name] = at.read_bytes()
            assert not at.exists()
        except Unreadable as cause:
            read[name] = str(cause)


def test_a_zip_gives_its_files_in_order_each_with_its_bytes(tmp_path):
    assert contents(zipped(tmp_path / "x.zip")) == TEXTS


@pytest.mark.parametrize("ending", ["tar", "tar.gz", "tgz", "tar.bz2", "tbz2", "tar.xz", "txz"])
def test_a_tar_gives_its_files_in_order_however_it_is_compressed(tmp_path, ending):
    mode = {"gz": "w:gz", "z2": "w:bz2", "xz": "w:xz"}.get(ending[-2:], "w")
    assert contents(tarred(tmp_path / f"x.{ending}", mode=mode)) == TEXTS


@pytest.mark.parametrize("ending", ["tar.zst", "tzst"])
def test_a_tar_compressed_by_zstandard_is_read(tmp_path, ending):
    with pyarrow.output_stream(str(tmp_path / f"x.{ending}"), compression="zstd") as file:
        file.write(tarred(tmp_path / "x.tar").read_bytes())
    assert contents(tmp_path / f"x.{ending}") == TEXTS


def test_a_compressed_file_holds_the_file_of_its_name_without_the_last_ending(tmp_path):
    (tmp_path / "notes.txt.gz").write_bytes(gzip.compress(b"one") + gzip.compress(b" two"))
    (tmp_path / "rows.jsonl.bz2").write_bytes(bz2.compress(b'{"text": "x"}\n'))
    (tmp_path / "rows.csv.xz").write_bytes(lzma.compress(b"text\n") + b"\0" * 4 + lzma.compress(b"y\n"))
    assert contents(tmp_path / "notes.txt.gz") == {"notes.txt": b"one two"}
    assert contents(tmp_path / "rows.jsonl.bz2") == {"rows.jsonl": b'{"text": "x"}\n'}
    assert contents(tmp_path / "rows.csv.xz") == {"rows.csv": b"text\ny\n"}
    assert [member.kind for member in found(tmp_path / "rows.jsonl.bz2")] == [Kind.JSONL]


def test_a_compressed_file_of_a_kind_not_read_is_passed_over_and_counted(tmp_path):
    (tmp_path / "model.bin.gz").write_bytes(gzip.compress(b"x"))
    ignored: dict[str, int] = {}
    assert list(find([tmp_path], Patterns(), ignored)) == []
    assert ignored == {".gz": 1}


def test_what_an_archive_says_of_a_member_comes_with_it_and_a_zip_stamps_its_content(tmp_path):
    _, second, _ = found(zipped(tmp_path / "x.zip"))
    assert (second.uri, second.name, second.kind) == (f"{tmp_path}/x.zip!/sub/b.md", "b.md", Kind.MARKDOWN)
    assert (second.size, second.named) == (8, False)
    _, changed, _ = found(zipped(tmp_path / "y.zip", TEXTS | {"sub/b.md": b"# SECOND"}))
    assert second.stamp != changed.stamp
    first = found(tarred(tmp_path / "x.tar"))[0]
    assert (first.size, first.modified, first.stamp) == (5, 1e9, None)  # times of a tar may all be the same


@pytest.mark.parametrize("build", [zipped, tarred])
def test_patterns_choose_members_by_name_or_by_their_path_in_the_archive(tmp_path, build):
    path = build(tmp_path / f"x.{build.__name__[:3]}")
    assert list(contents(path, patterns=Patterns(include=("*.md",)))) == ["sub/b.md"]
    assert list(contents(path, patterns=Patterns(exclude=("sub",)))) == ["a.txt"]


def test_members_of_unknown_kinds_are_counted_and_hidden_ones_passed_over(tmp_path):
    path = zipped(
        tmp_path / "x.zip", {"a.bin": b"", "nothing": b"", ".git/b.txt": b"", "__MACOSX/._c.txt": b"", "d.txt": b""}
    )
    ignored: dict[str, int] = {}
    assert [member.name for member in found(path, ignored=ignored)] == ["d.txt"]
    assert ignored == {".bin": 1, "no ending": 1}


def test_an_archive_in_a_folder_that_a_pattern_asks_for_is_read_whole(tmp_path):
    (tmp_path / "in").mkdir()
    zipped(tmp_path / "in" / "x.zip")
    patterns = Patterns(include=("*.zip",))
    (archive,) = find([tmp_path / "in"], patterns)
    with archive.local() as at:
        assert [member.name for member in members(archive, at, patterns, Limits(), {})] == ["a.txt", "b.md", "c.txt"]


EVIL = ["../up.txt", "sub/../../up.txt", "/etc/cron.txt", "C:/windows.txt", "C:up.txt", "..", "sub\\..\\..\\up.txt"]


@pytest.mark.parametrize("name", EVIL)
def test_a_zip_that_climbs_out_is_a_problem_and_writes_nothing(tmp_path, name):
    (tmp_path / "deep").mkdir()
    read = contents(zipped(tmp_path / "deep" / "x.zip", {name: b"evil", "a.txt": b"good"}))
    assert read.pop("a.txt") == b"good"
    (reason,) = read.values()
    assert "leads out of the archive" in reason
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["deep", "x.zip"]


@pytest.mark.parametrize("name", [name for name in EVIL if "\\" not in name])
def test_a_tar_that_climbs_out_is_a_problem(tmp_path, name):
    read = contents(tarred(tmp_path / "x.tar", {name: b"evil", "./a.txt": b"good"}))
    assert read.pop("a.txt") == b"good"
    (reason,) = read.values()
    assert "leads out of the archive" in reason


def test_a_name_with_a_nul_in_a_zip_is_a_problem(tmp_path):
    raw = zipped(tmp_path / "x.zip", {"aZb.txt": b"evil"}).read_bytes()
    (tmp_path / "x.zip").write_bytes(raw.replace(b"aZb.txt", b"a\0b.txt"))
    (reason,) = contents(tmp_path / "x.zip").values()
    assert "leads out" in reason


def test_links_folders_and_devices_in_a_tar_are_passed_over(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for kind in (
            tarfile.SYMTYPE,
            tarfile.LNKTYPE,
            tarfile.CHRTYPE,
            tarfile.BLKTYPE,
            tarfile.FIFOTYPE,
            tarfile.DIRTYPE,
        ):
            entry = tarfile.TarInfo(f"entry{kind.decode()}.txt")
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
    assert contents(tmp_path / "x.tar") == {}


def test_a_link_in_a_zip_is_passed_over(tmp_path):
    entry = zipfile.ZipInfo("link.txt")
    entry.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    assert contents(tmp_path / "x.zip") == {}


def test_windows_folders_and_utf8_without_its_flag_are_understood_in_a_zip(tmp_path):
    entry = zipfile.ZipInfo("sub/ZZrger.txt")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(entry, b"x")
        archive.writestr("日本.txt", b"y")
        archive.writestr("alt\\c.txt", b"z")
    raw = (tmp_path / "x.zip").read_bytes().replace(b"sub/ZZrger", b"sub/\xc3\xa4rger")
    (tmp_path / "x.zip").write_bytes(raw)
    assert contents(tmp_path / "x.zip") == {"sub/ärger.txt": b"x", "日本.txt": b"y", "alt/c.txt": b"z"}


def test_a_name_that_is_no_unicode_in_a_tar_becomes_one_that_is(tmp_path):
    raw = tarred(tmp_path / "x.tar", {"aXXb.txt": b"text"}, format=tarfile.USTAR_FORMAT)
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as archive:
        entry = tarfile.TarInfo("a\xffb.txt")
        entry.size = 4
        archive.addfile(entry, io.BytesIO(b"text"))
    assert contents(raw) == {"a\\xffb.txt": b"text"}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("ending", ["zip", "tar"])
def test_of_two_members_with_one_name_the_first_is_read_and_the_other_a_problem(tmp_path, ending):
    path = tmp_path / f"x.{ending}"
    if ending == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.txt", b"one")
            archive.writestr("a.txt", b"two")
    else:
        tarred(path, {"a.txt": b"one"})
        tarred(path, {"./a.txt": b"two"}, mode="a")
    read = contents(path)
    assert read.pop("a.txt") == b"one"
    assert "is there twice" in read.popitem()[1]


def test_an_encrypted_member_says_so_when_it_is_opened(tmp_path):
    raw = bytearray(zipped(tmp_path / "x.zip", {"a.txt": b"secret", "b.txt": b"open"}).read_bytes())
    for signature, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        raw[raw.index(signature) + at] |= 1
    (tmp_path / "x.zip").write_bytes(raw)
    read = contents(tmp_path / "x.zip")
    assert "is encrypted" in read["a.txt"]
    assert read["b.txt"] == b"open"


def test_a_bomb_in_a_zip_is_given_up_long_before_it_is_unpacked(tmp_path):
    path = zipped(tmp_path / "x.zip", {"bomb.txt": bytes(80 << 20), "a.txt": b"good"})
    read = contents(path)
    assert "expands to more than 200 times" in read["bomb.txt"]
    assert contents(path, Limits(expansion=2000))["bomb.txt"] == bytes(80 << 20)


@pytest.mark.parametrize("mode", ["gz", "bz2", "xz"])
def test_a_bomb_behind_members_that_nobody_reads_ends_a_compressed_tar(tmp_path, mode):
    path = tarred(tmp_path / "x.tar", {"a.txt": b"good", "zeros.bin": bytes(80 << 20)}, f"w:{mode}")
    read = contents(path)
    assert read.pop("a.txt") == b"good"
    assert "expands to more than 200 times" in read.pop("")


def test_zips_within_zips_share_what_the_outermost_may_cost(tmp_path):
    inner = zipped(tmp_path / "in.zip", {f"{number}.txt": bytes(1 << 20) for number in range(40)}).read_bytes()
    path = zipped(tmp_path / "out.zip", {"one.zip": inner, "two.zip": inner, "three.zip": inner})
    read = contents(path)
    whole = [name for name, content in read.items() if isinstance(content, bytes)]
    assert 40 < len(whole) < 70
    assert any("expands to more than" in content for content in read.values() if isinstance(content, str))


def test_members_are_counted_over_all_archives_within_an_archive(tmp_path):
    inner = zipped(tmp_path / "in.zip", {f"{number}.txt": b"x" for number in range(10)}).read_bytes()
    path = zipped(tmp_path / "out.zip", {"one.zip": inner, "two.zip": inner})
    read = contents(path, Limits(members=15))
    assert sum(isinstance(content, bytes) for content in read.values()) == 10
    assert "holds more than" in read["two.zip"]


def test_a_directory_of_more_members_than_may_be_is_refused_before_it_is_read(tmp_path):
    path = zipped(tmp_path / "x.zip", {f"{number}.txt": b"" for number in range(100)})
    assert "holds more than 50 members" in contents(path, Limits(members=50))[""]
    assert len(contents(path, Limits(members=100))) == 100


def test_archives_are_opened_to_a_small_depth_only(tmp_path):
    raw = b"the innermost"
    for depth in range(6):
        raw = zipped(tmp_path / "x.zip", {"a.txt" if depth == 0 else "x.zip": raw}).read_bytes()
    read = contents(tmp_path / "x.zip")
    assert list(read) == ["x.zip!/x.zip!/x.zip!/x.zip"]
    assert "within 4 others" in next(iter(read.values()))


def test_folders_whose_names_end_like_an_archive_are_no_archives(tmp_path):
    folder = tmp_path / "a!" / "b!" / "c!" / "d!" / "e!"
    folder.mkdir(parents=True)
    assert [member.within for member in found(zipped(folder / "x.zip"))] == [1, 1, 1]


def test_members_that_share_their_bytes_are_refused(tmp_path):
    path = zipped(tmp_path / "x.zip", {"a.txt": b"x" * 1000, "b.txt": b"y" * 1000})
    raw = bytearray(path.read_bytes())
    second = raw.index(b"PK\1\2", raw.index(b"PK\1\2") + 4)
    raw[second + 42 : second + 46] = (5).to_bytes(4, "little")
    path.write_bytes(raw)
    assert "shares its bytes" in contents(path)["b.txt"]


def test_a_member_past_the_limit_of_bytes_is_refused_alone(tmp_path):
    for path in (zipped(tmp_path / "x.zip"), tarred(tmp_path / "x.tar")):
        read = contents(path, Limits(bytes=100))
        assert read["a.txt"] == b"first"
        assert "is larger than 100 bytes" in read["sub/deep/c.txt"]


def test_a_zip_that_lies_about_a_size_is_measured_on_the_way_out(tmp_path):
    path = zipped(tmp_path / "x.zip", {"a.txt": b"x" * 5000})
    raw = bytearray(path.read_bytes())
    for signature, at in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        where = raw.index(signature) + at
        raw[where : where + 4] = (10).to_bytes(4, "little")
    path.write_bytes(raw)
    assert "is damaged in its archive" in contents(path)["a.txt"]


def test_a_damaged_member_of_a_zip_costs_that_member_only(tmp_path):
    path = zipped(tmp_path / "x.zip", {"a.txt": random.Random(0).randbytes(5000), "b.txt": b"good"})
    raw = bytearray(path.read_bytes())
    raw[2000] ^= 0xFF
    path.write_bytes(raw)
    read = contents(path)
    assert "is damaged" in read["a.txt"]
    assert read["b.txt"] == b"good"


def test_a_zip_that_was_cut_short_says_so(tmp_path):
    path = zipped(tmp_path / "x.zip")
    path.write_bytes(path.read_bytes()[:-40])
    assert "without its directory" in contents(path)[""]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_members_before_the_place_where_a_tar_was_cut_are_read(tmp_path, mode):
    texts = {"a.txt": b"whole", "b.txt": random.Random(0).randbytes(200_000)}
    path = tarred(tmp_path / "x.tar", texts, mode)
    path.write_bytes(path.read_bytes()[:100_000])
    read = contents(path)
    assert read["a.txt"] == b"whole"
    assert "cut short" in read["b.txt"] + read.get("", "")
    assert not isinstance(read["b.txt"], bytes)


def test_a_tar_that_stops_between_two_members_is_no_whole_one(tmp_path):
    path = tarred(tmp_path / "x.tar")
    path.write_bytes(path.read_bytes()[:1024])
    assert contents(path) == {"a.txt": b"first", "": "was cut short: it stops before the mark that ends a tar archive"}


def test_a_broken_header_in_the_middle_of_a_tar_is_not_taken_for_its_end(tmp_path):
    path = tarred(tmp_path / "x.tar")
    raw = bytearray(path.read_bytes())
    raw[1024 : 1024 + 50] = b"Z" * 50
    path.write_bytes(raw)
    read = contents(path)
    assert read["a.txt"] == b"first"
    assert "is damaged" in read[""]


def lying_header(size: bytes, kind: bytes = b"0") -> bytes:
    head = bytearray(tarfile.TarInfo("lie.txt").tobuf(tarfile.USTAR_FORMAT))
    head[124:136], head[156:157], head[148:156] = size, kind, b" " * 8
    head[148:156] = f"{sum(head):06o}\0 ".encode()
    return bytes(head)


def test_a_tar_whose_header_promises_more_than_there_is_is_noticed(tmp_path):
    (tmp_path / "x.tar").write_bytes(lying_header(b"00000100000\0") + b"x" * 512 + bytes(1024))
    assert "cut short" in contents(tmp_path / "x.tar")["lie.txt"]


@pytest.mark.parametrize("size", [b"\xff" * 12, b"\x80" + b"\x7f" * 11, b"77777777777\0"])
def test_a_tar_with_an_impossible_size_is_refused(tmp_path, size):
    (tmp_path / "x.tar").write_bytes(lying_header(size) + bytes(1024))
    read = contents(tmp_path / "x.tar")
    assert read and not any(isinstance(content, bytes) for content in read.values())


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE])
def test_a_header_that_would_fill_the_memory_is_refused_unread(tmp_path, kind):
    (tmp_path / "x.tar").write_bytes(lying_header(b"07777777777\0", kind) + bytes(1024))
    assert "more than any honest one" in contents(tmp_path / "x.tar")[""]


def test_attributes_that_would_fill_the_memory_are_refused(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        entry = tarfile.TarInfo("a.txt")
        entry.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9"}
        entry.size = 4 << 20
        archive.addfile(entry, io.BytesIO(b"1000000\n" + b"1\n" * (2 << 20)))
    assert "larger than any honest one" in contents(tmp_path / "x.tar")[""]


def test_a_tar_member_cannot_be_opened_once_the_next_is_asked_for(tmp_path):
    (archive,) = find([tarred(tmp_path / "x.tar")], Patterns())
    with archive.local() as at:
        listed = members(archive, at, Patterns(), Limits(), {})
        first = next(listed)
        next(listed)
        with pytest.raises(Unreadable, match="has been read on"), first.local():
            pass


def test_members_that_nobody_opens_are_skipped(tmp_path):
    assert [member.uri.rpartition("!/")[2] for member in found(tarred(tmp_path / "x.tgz", mode="w:gz"))] == list(TEXTS)


def test_a_zip64_is_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive, archive.open("a.txt", "w", force_zip64=True) as member:
        member.write(b"text")
    raw = (tmp_path / "x.zip").read_bytes()
    end = raw.index(b"PK\5\6")
    start, count = raw.index(b"PK\1\2"), 1
    record = b"PK\6\6" + (44).to_bytes(8, "little") + bytes.fromhex("2d002d00") + bytes(8)
    record += count.to_bytes(8, "little") * 2 + (end - start).to_bytes(8, "little") + start.to_bytes(8, "little")
    locator = b"PK\6\7" + bytes(4) + end.to_bytes(8, "little") + (1).to_bytes(4, "little")
    closing = b"PK\5\6" + bytes(4) + b"\xff" * 12 + bytes(2)
    (tmp_path / "x.zip").write_bytes(raw[:end] + record + locator + closing)
    assert contents(tmp_path / "x.zip") == {"a.txt": b"text"}
    assert "holds more than 0" in contents(tmp_path / "x.zip", Limits(members=0))[""]


def test_what_is_no_archive_at_all_says_so(tmp_path):
    (tmp_path / "x.zip").write_bytes(os.urandom(1) + b"no archive")
    assert "is no archive" in contents(tmp_path / "x.zip")[""]


COPY = """
import resource, sys
from pathlib import Path
from ingest.limits import Limits
from ingest.sources import *
(archive,) = find([sys.argv[1]], Patterns())
with archive.local() as at:
    for member in members(archive, at, Patterns(), Limits(expansion=10**7), {}):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with member.local() as path:
            print(path.stat().st_size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before >> 10)
"""


@pytest.mark.parametrize("ending", ["zip", "tar.gz", "txt.bz2"])
def test_a_large_member_is_copied_in_little_memory(tmp_path, ending):
    path, large = tmp_path / f"x.{ending}", bytes(100 << 20)
    if ending == "zip":
        zipped(path, {"a.txt": large})
    elif ending == "tar.gz":
        tarred(path, {"a.txt": large}, "w:gz", compresslevel=1)
    else:
        path.write_bytes(bz2.compress(large))
    done = subprocess.run([sys.executable, "-c", COPY, path], capture_output=True, text=True, check=True)
    size, grown = map(int, done.stdout.split())
    assert size == 100 << 20 and grown < 40


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("ending", ["zip", "tar", "tgz"])
def test_whatever_is_broken_in_an_archive_ends_in_one_line_and_never_in_wrong_bytes_of_a_zip(tmp_path, ending, seed):
    chance = random.Random(seed)
    path = tmp_path / f"x.{ending}"
    zipped(path) if ending == "zip" else tarred(path, mode="w:gz" if ending == "tgz" else "w")
    raw = bytearray(path.read_bytes())
    for _ in range(chance.randint(1, 8)):
        raw[chance.randrange(len(raw))] = chance.randrange(256)
    path.write_bytes(raw[: chance.randint(len(raw) // 2, len(raw))])
    read = contents(path)
    if ending == "zip":
        assert all(content in TEXTS.values() for content in read.values() if isinstance(content, bytes))
