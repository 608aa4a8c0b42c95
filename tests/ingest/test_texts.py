from tests.ingest.reading import passages, texts


def test_passages_are_slices_of_the_file_and_know_their_line(tmp_path):
    path = tmp_path / "a.txt"
    text = "\n\n".join(f"Paragraph {n} has\ntwo lines." for n in range(60_000))
    path.write_text(text)
    found = passages(path, tokens=40)
    assert len(found) > 10_000
    for passage, known in found[:: len(found) // 50]:
        assert passage == text[known["start"] : known["end"]]
        assert known["line"] == text.count("\n", 0, known["start"]) + 1


def test_front_matter_is_no_text_of_the_file_but_its_title_counts(tmp_path):
    path = tmp_path / "a.md"
    text = '---\ntitle: "On apples"\ntags: [fruit]\n---\n\nApples are red.\n\n## Pears\n\nPears are green.\n'
    path.write_text(text)
    found = passages(path, tokens=8)
    assert [(one, known["title"], known["line"]) for one, known in found] == [
        ("Apples are red.", "On apples", 6),
        ("## Pears\n\nPears are green.", "Pears", 8),
    ]
    assert all(one == text[known["start"] : known["end"]] for one, known in found)


def test_lines_that_only_look_like_front_matter_are_text(tmp_path):
    path = tmp_path / "a.md"
    for text in ("---\n\nA rule, and words.\n\n---\n\nMore.", "--- dashes ---\nwords", "---\ntitle: never closed"):
        path.write_text(text)
        assert "".join(texts(path)).split() == text.split()


def test_a_line_without_end_is_read_in_pieces(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("word " * 300_000)
    assert sum(text.count("word") for text in texts(path)) == 300_000
