"""Addresses, against servers on loopback."""

import base64
import hashlib
import io
import socket
import sys
from collections.abc import Iterator
from typing import ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from ingest.limits import Limits
from ingest.results import Problem, Unreadable
from ingest.sources import Document, Kind, Patterns, find, remote, scratch, survey, web
from ingest.sources.addresses import cleaned, without_secrets
from latentstore.errors import InvalidInput, NotFound
from tests.ingest.servers import MODIFIED, S3, Site, serving

LONG = bytes(range(256)) * 2000


@pytest.fixture(autouse=True)
def job(monkeypatch) -> Iterator[None]:
    monkeypatch.setattr(web, "PAUSES", (0.01, 0.02, 0.03))
    monkeypatch.setattr(web, "LOOK", 2.0)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with scratch():
        yield


@pytest.fixture
def site() -> Iterator[Site]:
    files = {
        "/a.txt": b"first",
        "/long.txt": LONG,
        "/page.php": b"<p>x",
        "/query": b"text\nx\n",
        "/folder/b.md": b"# second",
        "/folder/sub/c d.txt": b"third",
        "/folder/sub/.hidden.txt": b"no",
        "/folder/model.bin": b"no",
    }
    with serving(Site(files, types={"/query": "text/csv; charset=utf-8"})) as served:
        yield served


def found(address: str, patterns=None, ignored=None) -> list[Document | Problem]:
    return list(find([address], patterns or Patterns(), ignored))


def bytes_of(document: Document) -> bytes:
    with document.local() as path:
        return path.read_bytes()


def test_a_file_on_the_web_is_known_before_it_is_fetched(site):
    (document,) = found(f"{site.address}/a.txt#part")
    assert (document.uri, document.name, document.kind) == (f"{site.address}/a.txt", "a.txt", Kind.TEXT)
    assert (document.size, document.modified, document.named) == (5, MODIFIED, True)
    assert document.stamp == f'etag:"{hashlib.md5(b"first").hexdigest()}"'
    assert [method for method, _, _ in site.asked] == ["HEAD"]
    assert bytes_of(document) == b"first"


def test_a_server_says_what_kind_a_name_without_a_telling_ending_is(site):
    assert found(f"{site.address}/query?page=1")[0].kind is Kind.CSV
    site.types["/page.php"] = "text/html"  # what makes the page is not what it is
    assert found(f"{site.address}/page.php")[0].kind is Kind.HTML
    assert found(f"{site.address}/query?page=1")[0].uri == f"{site.address}/query?page=1"


def test_where_neither_name_nor_server_tells_the_redirect_or_the_first_bytes_do(site):
    site.redirects = {"/download": "/folder/b.md"}
    site.files["/blob"] = b"PAR1" + bytes(2000)
    assert found(f"{site.address}/download?id=5")[0].kind is Kind.MARKDOWN
    assert found(f"{site.address}/blob")[0].kind is Kind.PARQUET
    assert ("GET", "/blob", "bytes=0-511") in site.asked


def test_a_server_without_head_or_tags_is_fetched_from_all_the_same(site):
    site.no_head = site.no_tags = True
    (document,) = found(f"{site.address}/a.txt")
    assert (document.size, document.modified, document.stamp) == (None, None, None)
    assert bytes_of(document) == b"first"


def test_what_is_not_there_is_named_and_in_a_list_a_problem(site, tmp_path):
    with pytest.raises(NotFound, match=r"nothing at http://127.*/nosuch.txt: the server answers 404"):
        survey([f"{site.address}/nosuch.txt"], Patterns())
    (tmp_path / "list").write_text(f"{site.address}/nosuch.txt\n{site.address}/a.txt")
    problem, document = found(f"@{tmp_path}/list")
    assert (problem.source, document.uri) == (f"{site.address}/nosuch.txt", f"{site.address}/a.txt")


def test_a_redirect_is_followed_to_the_web_only_and_not_for_ever(site):
    site.redirects = {"/old.txt": "/a.txt", "/loop.txt": "/loop.txt", "/out.txt": "file:///etc/passwd"}
    assert bytes_of(*found(f"{site.address}/old.txt")) == b"first"
    for name in ("loop.txt", "out.txt"):
        with pytest.raises(Unreadable, match="the server answers 302"):
            bytes_of(*found(f"{site.address}/{name}"))


def test_a_password_is_used_and_neither_kept_nor_passed_on_to_another_server(site):
    site.password = base64.b64encode(b"user:pass word").decode()
    address = site.address.replace("//", "//user:pass%20word@")
    with serving(Site({"/b.txt": b"x"}, password=site.password)) as other:
        site.redirects = {"/same.txt": "/a.txt", "/other.txt": f"{other.address}/b.txt"}
        for name in ("a.txt", "same.txt"):
            (document,) = found(f"{address}/{name}")
            assert bytes_of(document) == b"first"
            assert document.uri == f"{site.address}/{name}"
        with pytest.raises(Unreadable, match="the server answers 401"):
            bytes_of(*found(f"{address}/other.txt"))


def test_a_dropped_connection_is_taken_up_where_it_broke(site):
    site.drops = {"/long.txt": [1000, 200_000]}
    assert bytes_of(*found(f"{site.address}/long.txt")) == LONG
    assert [asked for method, _, asked in site.asked if method == "GET"] == [None, "bytes=1000-", "bytes=201000-"]


def test_a_file_that_changed_while_the_connection_was_broken_is_fetched_anew(site):
    site.drops, site.changes = {"/long.txt": [1000]}, {"/long.txt": LONG[::-1]}
    assert bytes_of(*found(f"{site.address}/long.txt")) == LONG[::-1]


def test_a_server_that_cannot_go_on_in_the_middle_is_asked_for_all_of_it(site):
    site.no_tags, site.drops = True, {"/long.txt": [1000]}
    assert bytes_of(*found(f"{site.address}/long.txt")) == LONG
    assert [asked for method, _, asked in site.asked if method == "GET"] == [None, None]


def test_a_connection_that_always_drops_is_given_up(site):
    site.no_tags, site.drops = True, {"/long.txt": [1000] * 10}
    with pytest.raises(Unreadable, match=r"in 4 attempts: the connection broke after 1,000 of 512,000 bytes"):
        bytes_of(*found(f"{site.address}/long.txt"))


def test_a_busy_server_is_asked_again_and_a_refusing_one_is_not(site):
    site.answers = {"/a.txt": [503, 429], "/query": [403]}
    assert bytes_of(*found(f"{site.address}/a.txt")) == b"first"
    with pytest.raises(Unreadable, match="the server answers 403 Forbidden"):
        bytes_of(*found(f"{site.address}/query"))


def test_a_connection_that_stalls_is_given_up(site, monkeypatch):
    monkeypatch.setattr(web, "STALLED", 0.1)
    site.stalls = {"/long.txt"}
    with pytest.raises(Unreadable, match="in 4 attempts: timed out"):
        bytes_of(*found(f"{site.address}/long.txt"))


def test_a_server_that_is_not_there_is_told_when_the_file_is_opened():
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    (document,) = found(f"http://127.0.0.1:{port}/a.txt")
    with pytest.raises(Unreadable, match=r"in 4 attempts: .*refused"), document.local():
        pass


def test_more_than_the_limit_is_not_fetched(site):
    (document,) = find([f"{site.address}/long.txt"], Patterns(), limits=Limits(bytes=511_999))
    with pytest.raises(Unreadable, match="is larger than 511,999 bytes"), document.local():
        pass


SECRETS = {
    "https://me:secret@example.org/a?b=c#d": "https://example.org/a?b=c",
    "https://example.org/a?X-Amz-Signature=secret&id=5": "https://example.org/a?id=5",
    "https://x.blob.core.windows.net/a.txt?sv=1&sig=secret": "https://x.blob.core.windows.net/a.txt?sv=1",
    "https://example.org/a?access_token=secret": "https://example.org/a",
    "https://example.org/a?q=%C3%A4+b&c": "https://example.org/a?q=%C3%A4+b&c",
    "s3://key:secret@bucket/a?endpoint_override=host": "s3://bucket/a",
    "abfss://box@host/a": "abfss://box@host/a",
    "abfss://box:secret@host/a": "abfss://box@host/a",
    "SFTP://me:secret@host/a": "sftp://host/a",
}


def test_nothing_secret_of_an_address_is_told():
    told = without_secrets("no way to https://me:secret@host/a?sig=hidden", "https://me:secret@host/a?sig=hidden")
    assert told == "no way to https://…host/a?sig=…"


@pytest.mark.parametrize("address", SECRETS)
def test_nothing_secret_of_an_address_is_kept(address):
    assert cleaned(address) == SECRETS[address]


def test_an_address_that_ends_with_a_slash_is_a_folder_that_the_server_lists(site):
    ignored: dict[str, int] = {}
    documents = found(f"{site.address}/folder/", ignored=ignored)
    assert [one.uri.removeprefix(site.address) for one in documents] == ["/folder/b.md", "/folder/sub/c d.txt"]
    assert [bytes_of(one) for one in documents] == [b"# second", b"third"]
    assert [(one.size, one.named) for one in documents] == [(8, False), (5, False)]
    assert ignored == {".bin": 1}


def test_a_folder_that_a_server_does_not_list_is_a_problem(site):
    site.password = "none"
    (problem,) = found(f"{site.address}/folder/")
    assert problem.source == f"{site.address}/folder/"
    assert "cannot be listed" in problem.reason and "401" in problem.reason


def test_a_server_that_makes_up_folders_without_end_is_left(site, monkeypatch):
    monkeypatch.setattr(remote, "DEPTH", 5)
    site.files |= {f"/deep/{'x/' * depth}{depth}.txt": b"x" for depth in range(9)}
    found_there = found(f"{site.address}/deep/")
    assert [one.name for one in found_there[:-1]] == [f"{depth}.txt" for depth in range(6)]
    assert "more than 5 folders deep" in found_there[-1].reason


@pytest.fixture
def memory():
    files = fsspec.filesystem("memory")
    for name, content in {
        "a.txt": b"first",
        "sub/b.md": b"second",
        "sub/c.bin": b"",
        ".d.txt": b"",
        "no/e.txt": b"",
    }.items():
        files.pipe(f"/pile/{name}", content)
    yield files
    files.rm("/pile", recursive=True)


def test_a_filesystem_of_fsspec_is_walked_as_a_folder_is(memory):
    ignored: dict[str, int] = {}
    documents = found("memory://pile", Patterns(exclude=("no",)), ignored)
    assert [one.uri for one in documents] == ["memory://pile/a.txt", "memory://pile/sub/b.md"]
    assert [bytes_of(one) for one in documents] == [b"first", b"second"]
    assert [one.size for one in documents] == [5, 6]
    assert ignored == {".bin": 1}


def test_a_stamp_in_a_filesystem_is_the_same_from_a_folder_and_by_name_and_changes_with_the_file(memory):
    by_name, listed = found("memory://pile/a.txt")[0], found("memory://pile/")[0]
    assert by_name.named and not listed.named
    assert by_name.uri == listed.uri and by_name.stamp == listed.stamp is not None
    memory.pipe("/pile/a.txt", b"FIRST")
    assert found("memory://pile/a.txt")[0].stamp != listed.stamp


def test_what_vanishes_from_a_filesystem_is_a_problem_of_that_file(memory):
    first, _, _ = found("memory://pile/")
    memory.rm("/pile/a.txt")
    with pytest.raises(Unreadable, match=r"^FileNotFoundError"), first.local():
        pass
    with pytest.raises(NotFound, match=r"there is no memory://pile/a.txt"):
        survey(["memory://pile/a.txt"], Patterns())


def test_a_missing_package_is_named_with_the_line_that_installs_it():
    with pytest.raises(InvalidInput, match=r'pip install "latentstore\[remote\]"'):
        survey(["adl://somewhere/else"], Patterns())


def test_without_fsspec_buckets_and_single_pages_are_read_and_the_rest_names_it(bucket, site, monkeypatch):
    for name in ("fsspec", "fsspec.core", "fsspec.implementations", "fsspec.implementations.http"):
        monkeypatch.setitem(sys.modules, name, None)
    assert bytes_of(*found(f"{site.address}/a.txt")) == b"first"
    assert len(found(f"s3://bucket/pre{options(bucket)}")) == 7
    for address in ("sftp://host/a", f"{site.address}/folder/"):
        with pytest.raises(InvalidInput, match=r'pip install "latentstore\[remote\]"'):
            found(address)


class Breaking(io.BytesIO):
    """Gives so many bytes, and then an error."""

    def __init__(self, content: bytes, most: int) -> None:
        super().__init__(content)
        self.most = most

    def read(self, size=-1):
        if self.tell() >= self.most:
            raise OSError("connection lost")
        return super().read(self.most)


class Flaky(MemoryFileSystem):
    """Loses the connection in the middle of a file, as often as there are losses."""

    protocol = "flaky"
    losses: ClassVar[list[int]] = []

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.removeprefix("flaky:/"))

    def _open(self, path, mode="rb", **options):
        whole = super()._open(path, mode, **options)
        return Breaking(whole.getvalue(), self.losses.pop()) if self.losses else whole


def test_a_filesystem_that_loses_its_connection_is_asked_again(memory):
    fsspec.register_implementation("flaky", Flaky, clobber=True)
    (document,) = found("flaky://pile/a.txt")
    Flaky.losses[:] = [2, 3]
    assert bytes_of(document) == b"first"
    Flaky.losses[:] = [2] * 4
    with pytest.raises(Unreadable, match="in 4 attempts: OSError: connection lost"):
        bytes_of(document)


def test_an_address_that_nothing_speaks_is_refused_without_its_password():
    with pytest.raises(InvalidInput) as refused:
        survey(["nosuch://me:secret@host/a"], Patterns())
    assert "nosuch://host/a" in str(refused.value) and "secret" not in str(refused.value)


@pytest.fixture
def bucket() -> Iterator[Site]:
    names = ["a.txt", "b.md", "c.bin", "sub/d e.txt", "sub/f.txt", "sub/g.txt", "sub/h.txt", "z.txt"]
    with serving(Site({f"/bucket/pre/{name}": name.encode() for name in names}), S3) as served:
        yield served


def options(site: Site, access: str = "&anonymous=true") -> str:
    return f"?endpoint_override={site.address.removeprefix('http://')}&scheme=http&region=here{access}"


def test_a_bucket_is_walked_with_sizes_and_stamps_over_many_pages(bucket):
    documents = found(f"s3://bucket/pre{options(bucket)}")
    names = ["a.txt", "b.md", "z.txt", "sub/d e.txt", "sub/f.txt", "sub/g.txt", "sub/h.txt"]
    assert [one.uri for one in documents] == [f"s3://bucket/pre/{name}" for name in names]
    assert [bytes_of(one) for one in documents] == [name.encode() for name in names]
    assert [one.size for one in documents] == [len(name) for name in names]
    assert {one.modified for one in documents} == {MODIFIED}


def test_a_bucket_is_opened_with_the_keys_of_the_environment(bucket, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    (document,) = found(f"s3://bucket/pre/a.txt{options(bucket, '')}")
    assert (document.uri, document.named, bytes_of(document)) == ("s3://bucket/pre/a.txt", True, b"a.txt")


def test_what_is_not_in_a_bucket_is_named(bucket):
    with pytest.raises(NotFound, match=r"there is no s3://bucket/pre/nosuch.txt"):
        survey([f"s3://bucket/pre/nosuch.txt{options(bucket)}"], Patterns())


def test_a_bucket_that_refuses_is_a_problem(bucket):
    bucket.answers = {"/bucket": [403] * 20}
    (problem,) = found(f"s3://bucket/pre{options(bucket)}")
    assert problem.source == "s3://bucket/pre/"
    assert "cannot be listed" in problem.reason


def test_an_option_that_pyarrow_does_not_know_is_refused(bucket):
    for access in ("&nosuch=1", "&nosuch=1&anonymous=true"):
        with pytest.raises(InvalidInput, match="nosuch"):
            survey([f"s3://bucket/pre{options(bucket, access)}"], Patterns())
