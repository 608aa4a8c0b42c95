import csv
import io
import json
import shutil
import signal
import subprocess
import time

import pytest

import latentstore
from latentstore.cli.app import BUILT_IN

from .conftest import COMMAND

COMMANDS = ["ingest", *BUILT_IN]


def rows(done) -> list[dict]:
    return json.loads(done.stdout)


def failed(done, status=1) -> str:
    """The one line that a failure is told in."""
    assert done.returncode == status and done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(cli, command):
    done = cli(command, "--help", COLUMNS="200")
    assert done.returncode == 0
    assert "Example" in done.stdout and f"latentstore {command} " in done.stdout.replace("demo", "demo ")


def test_the_help_lists_every_command_those_of_entry_points_too(cli):
    done = cli("--help")
    assert done.returncode == 0
    assert all(f" {command} " in done.stdout for command in COMMANDS)


def test_the_version_is_printed(cli):
    assert cli("--version").stdout.startswith("latentstore 0.")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["serch"], "did you mean 'search'?"),
        (["search"], "Missing argument 'STORE'"),
        (["search", "s", "q", "--nonsense"], "--nonsense"),
        (["search", "s", "q", "--format", "xml"], "'table', 'json', 'jsonl', 'csv'"),
        (["search", "s", "q", "-k", "0"], "-k"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(cli, arguments, told):
    line = failed(cli(*arguments), 2)
    assert told in line and "--help" in line


def test_a_store_that_is_not_there_is_one_line_and_is_not_made(cli, tmp_path):
    for command in (["search", "nosuch", "q"], ["info", "nosuch"], ["verify", "nosuch"], ["optimize", "nosuch"]):
        assert "nosuch" in failed(cli(*command))
    assert list(tmp_path.iterdir()) == []


def test_a_foreign_folder_is_one_line_and_left_alone(cli, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("precious")
    for command in (["search", "mine", "q"], ["ingest", "mine", "mine/file", "--encoder", "hashing"]):
        assert "not a latentstore store" in failed(cli(*command))
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["file"]


def test_search_prints_hits_closest_first_in_every_format(cli, stored):
    found = rows(cli("search", stored, "pears sweet", "--format", "json"))
    assert found[0]["text"] == "Pears are sweet" and found[0]["metadata"]["year"] == 1999
    lines = cli("search", stored, "pears sweet", "--format", "jsonl").stdout.splitlines()
    assert [json.loads(line) for line in lines] == found
    table = list(csv.DictReader(io.StringIO(cli("search", stored, "pears sweet", "--format", "csv").stdout)))
    assert [row["id"] for row in table] == [hit["id"] for hit in found]
    assert table[0]["year"] == "1999"


def test_a_piped_table_is_plain_text_with_the_passage_and_its_place(cli, stored):
    out = cli("search", stored, "apples", "-k", "1").stdout
    assert "Apples grow on trees." in out and "a.txt#1" in out.replace("\n", "") and "\x1b" not in out


def test_search_passes_its_options_on(cli, stored):
    asked = ("--where", "year > 2000", "--columns", "year", "--exact", "--recall", "0.9", "-k", "5", "--format", "json")
    (hit,) = rows(cli("search", stored, "pears", *asked))
    assert hit["text"] == "Plums are blue" and hit["metadata"] == {"year": 2004}


def test_explain_tells_the_plan_on_standard_error(cli, stored):
    done = cli("search", stored, "pears", "--explain", "--format", "json")
    assert len(rows(done)) == 3 and " ms " in done.stderr


def test_a_filter_over_an_unknown_column_is_one_line(cli, stored):
    assert "year" in failed(cli("search", stored, "q", "--where", "yaer = 1"))


def test_similar_leaves_the_item_itself_out(cli, stored):
    name = f"{stored.parent / 't.csv'}#1"
    found = rows(cli("similar", stored, name, "--format", "json"))
    assert len(found) == 2 and name not in [hit["id"] for hit in found]
    assert "nosuch" in failed(cli("similar", stored, "nosuch"))


def test_sql_answers_and_refuses_what_is_not_the_collection(cli, stored):
    done = cli("sql", stored, "select year, count(*) n from items group by year order by year", "--format", "csv")
    assert done.stdout == "year,n\n1999,1\n2004,1\n,1\n"
    failed(cli("sql", stored, "select * from read_text('/etc/passwd')"))


def test_info_tells_items_and_spaces(cli, stored):
    (told,) = rows(cli("info", stored, "--format", "json"))
    assert told["items"] == 3 and told["spaces"][0]["encoder"] == "hashing"
    assert "hashing" in cli("info", stored).stdout


def test_encoders_lists_what_can_be_named(cli):
    assert {"text", "hashing"} <= {row["name"] for row in rows(cli("encoders", "--format", "json"))}


def test_reading_commands_leave_the_store_as_it_is(cli, stored):
    before = {path: path.stat().st_mtime_ns for path in stored.rglob("*") if path.is_file() and path.name != "lock"}
    for command in (["search", stored, "q"], ["info", stored], ["sql", stored, "select 1 from items"]):
        assert cli(*command).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_an_exported_collection_comes_back_with_import(cli, stored, tmp_path):
    assert cli("export", stored, "e.parquet").returncode == 0
    assert cli("import", "copy.latent", "e.parquet").returncode == 0
    question = ("select id, text, year from items order by id", "--format", "json")
    assert rows(cli("sql", "copy.latent", *question)) == rows(cli("sql", stored, *question))
    assert "exists" in failed(cli("export", stored, "e.parquet"))


def test_a_backup_comes_back_with_restore(cli, stored):
    assert cli("backup", stored, "copy").returncode == 0
    assert cli("restore", "copy", "back.latent").returncode == 0
    assert rows(cli("search", "back.latent", "pears", "--format", "json"))[0]["text"] == "Pears are sweet"


def test_optimize_and_verify_and_repair_say_that_a_whole_store_is_whole(cli, stored, tmp_path):
    shutil.copytree(stored, tmp_path / "s")
    for command in ("optimize", "verify", "repair"):
        done = cli(command, "s")
        assert (done.returncode, done.stdout) == (0, "") and done.stderr.startswith("s is ")


def test_verify_names_the_damage_and_fails(cli, stored, tmp_path):
    shutil.copytree(stored, tmp_path / "s")
    (vectors,) = (tmp_path / "s").rglob("vectors-*.f32")
    data = bytearray(vectors.read_bytes())
    data[5] ^= 255
    vectors.write_bytes(data)
    done = cli("verify", "s", "--format", "json")
    assert done.returncode == 1 and rows(done) and "latentstore repair s" in done.stderr


def test_several_collections_are_listed_until_one_is_named(cli, tmp_path):
    with latentstore.open(tmp_path / "s") as store:
        for name in ("first", "second"):
            store.create(name, encoders=["hashing"]).add([f"text of {name}"])
    assert "first, second" in failed(cli("search", "s", "text"))
    (hit,) = rows(cli("search", "s", "text", "--collection", "second", "--format", "json"))
    assert hit["text"] == "text of second"
    assert "first, second" in failed(cli("search", "s", "text", "--collection", "third"))


def test_an_empty_store_says_how_to_fill_it(cli, tmp_path):
    latentstore.open(tmp_path / "s").close()
    assert "latentstore ingest" in failed(cli("search", "s", "text"))


def test_ingest_sums_up_on_standard_output_and_tells_problems_on_standard_error(cli, tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.txt").write_text("some text")
    (tmp_path / "src" / "bad.txt").write_bytes(b"\0")
    (tmp_path / "src" / "p.png").write_bytes(b"png")
    done = cli("ingest", "s", "src", "--encoder", "hashing")
    assert done.returncode == 0
    assert done.stdout.startswith("1 files, 1 passages (1 new), 1 problems")
    assert "bad.txt: is not text" in done.stderr and "1 .png" in done.stderr
    (told,) = rows(cli("ingest", "s", "src", "--format", "json"))
    assert told["unchanged"] == 1 and told["problems"][0]["source"].endswith("bad.txt")


def test_ingest_fails_in_one_line_for_a_missing_source_or_column(cli, tmp_path):
    (tmp_path / "t.csv").write_text("body\nx\n")
    assert "nosuch" in failed(cli("ingest", "s", "nosuch"))
    assert "its columns are body" in failed(cli("ingest", "s", "t.csv"))
    assert not (tmp_path / "s").exists()


def test_ctrl_c_finishes_the_batch_and_the_same_command_goes_on(cli, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("text\n" + "".join(f"row number {n}\n" for n in range(20_000)))
    command = ["ingest", "s", "t.csv", "--encoder", "hashing", "--batch", "16"]
    process = subprocess.Popen([*COMMAND, *command], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob("s/docs/spaces/*/vectors-*")):
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and "go on" in errors and "Traceback" not in errors
    with latentstore.open(tmp_path / "s") as store:
        assert store.verify().ok and 0 < len(store.collection("docs")) < 20_000


def test_a_reader_that_hangs_up_is_no_failure(stored):
    query = ["sql", stored, "select unnest(range(200000)) from items", "--format", "jsonl"]
    process = subprocess.Popen([*COMMAND, *query], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    assert (process.wait(60), process.stderr.read()) == (0, b"")
    process.stderr.close()


def test_text_that_the_locale_cannot_show_is_escaped_and_json_stays_json(cli, tmp_path):
    with latentstore.open(tmp_path / "s") as store:
        store.create("docs", encoders=["hashing"]).add(["Grüße \x1b[31mrot"], ids=["ä"])
    narrow = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    (hit,) = rows(cli("search", "s", "rot", "--format", "json", **narrow))
    assert hit["text"] == "Grüße \x1b[31mrot"
    table = cli("search", "s", "rot", **narrow)
    assert table.returncode == 0 and "Gr\\xfc" in table.stdout and "\x1b" not in table.stdout


def test_the_demo_answers_from_a_new_store_and_reuses_it(cli, tmp_path):
    first = cli("demo", "--encoder", "hashing")
    assert first.returncode == 0 and "Now try:" in first.stdout and "encoding" in first.stderr
    second = cli("demo", "--encoder", "hashing")
    assert second.returncode == 0 and "earlier run" in second.stderr and "encoding" not in second.stderr
    with latentstore.open(tmp_path / "python-docs.latent") as store:
        assert len(store.collection("python")) > 2000


def test_the_demo_leaves_another_store_alone(cli, stored):
    assert "something else" in failed(cli("demo", stored))


def test_a_cold_search_imports_nothing_heavy(stored):
    code = (
        "import sys; from latentstore.cli.app import run; run(sys.argv[1:]);"
        "sys.exit(sum(name in sys.modules for name in ('torch', 'transformers', 'pyarrow', 'pandas', 'faiss')))"
    )
    done = subprocess.run([COMMAND[0], "-c", code, "search", stored, "pears"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
