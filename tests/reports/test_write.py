"""Where a report may go, and that it gets there whole."""

import pytest

from latentstore.errors import InvalidInput, StorageFailure
from latentstore.reports import page, write
from latentstore.reports.model import Page

EMPTY = Page("t", "s", "c", 0.0, "1", 0)


def test_a_page_is_written_whole_and_known_for_a_report_again(tmp_path):
    path = tmp_path / "r.html"
    length = write.html(EMPTY, path)
    assert path.read_text() == page.render(EMPTY)
    assert (path.stat().st_size, list(tmp_path.iterdir())) == (length, [path])
    write.check_html(path)


@pytest.mark.parametrize("content", ["", "<html>mine</html>", "latentstore"])
def test_a_file_that_is_no_report_is_not_replaced_unless_forced(tmp_path, content):
    path = tmp_path / "mine.html"
    path.write_text(content)
    with pytest.raises(InvalidInput, match="is no report"):
        write.check_html(path)
    write.check_html(path, force=True)


def test_folders_and_missing_folders_are_refused_before_the_work(tmp_path):
    with pytest.raises(InvalidInput, match=r"is a folder; name a file in it: .*report\.html"):
        write.check_html(tmp_path)
    with pytest.raises(InvalidInput, match="there is no folder"):
        write.check_html(tmp_path / "no" / "r.html")
    with pytest.raises(InvalidInput, match="there is no folder"):
        write.check_folder(tmp_path / "no" / "data")


def test_data_goes_into_a_new_an_empty_or_its_own_folder_only(tmp_path):
    write.check_folder(tmp_path / "new")
    write.check_folder(tmp_path)
    (tmp_path / "mine.txt").touch()
    with pytest.raises(InvalidInput, match="holds other things"):
        write.check_folder(tmp_path)
    write.check_folder(tmp_path, force=True)
    write.sheet({"a": 1}, tmp_path / write.SHEET)
    write.check_folder(tmp_path)
    with pytest.raises(InvalidInput, match="is a file"):
        write.check_folder(tmp_path / "mine.txt")


def test_where_the_write_fails_what_was_there_stays(tmp_path):
    path = tmp_path / "r.html"
    write.html(EMPTY, path)
    before = path.read_bytes()
    with pytest.raises(TypeError):
        write.sheet({"a": object()}, path)
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (before, [path])


def test_a_refusal_of_the_disk_is_a_storage_failure(tmp_path):
    with pytest.raises(StorageFailure, match="gone"):
        write.html(EMPTY, tmp_path / "gone" / "r.html")
