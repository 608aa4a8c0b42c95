"""Names of clusters: said by their texts and not by others', distinct, the same on every level."""

import numpy as np
import pytest

from latentstore.analysis import naming

PETS = ["my dog barks", "the dog sleeps", "a dog eats"]
CARS = ["an old car", "my car is old", "the car rusts"]
ROOTS = np.array([0, 0, 0, 1, 1, 1])


def called(*given, **options):
    return [one.name for one in naming.names(*given, **options)]


def test_a_cluster_is_called_what_its_texts_say_and_others_do_not():
    texts = [f"please, {text} today" for text in PETS + CARS]
    assert called(texts, ROOTS) == ["dog", "car"]


def test_of_the_heaviest_terms_the_closest_to_the_centre_names():
    directions = {"car": [1.0, 0.0], "old": [0.0, 1.0]}

    def encode(phrases):
        return np.array([directions.get(one, [-1.0, 0.0]) for one in phrases], dtype=np.float32)

    centers = np.array([[-1, 0], [0, 5]], dtype=np.float32)
    texts = [*PETS, "car", "car, old", "old car"]
    assert called(texts, ROOTS)[1] == "car"
    assert called(texts, ROOTS, encode=encode, centers=centers)[1] == "old"


def test_the_further_words_repeat_no_word_of_the_name():
    (one,) = naming.names(["red house", "garden, red house", "red house, garden"], np.zeros(3, dtype=np.int64))
    assert one.name == "red house"
    assert one.words == ("garden",)


def test_a_part_of_a_longer_phrase_does_not_name():
    assert called(["in New York", "to New York", *PETS], np.array([0, 0, 1, 1, 1])) == ["New York", "dog"]


def test_no_two_clusters_have_the_same_name():
    texts = ["card payment"] * 4 + ["payment card"] * 4 + ["house"] * 4
    names = called(texts, np.arange(12) // 2)
    assert len({name.casefold() for name in names}) == 6


def test_a_name_that_is_kept_stays_and_is_given_to_no_other():
    names = naming.names([*PETS, *PETS, *CARS], np.repeat([0, 1, 2], 3), kept={1: "dogs"})
    assert names[1].name == "dogs"
    assert names[1].source == "kept"
    assert names[0].name not in ("dog", "dogs")


def test_levels_call_the_same_items_the_same_and_a_part_otherwise_than_the_whole():
    texts = [*PETS, "dog kennel", "big kennel", "kennel door", *CARS]
    labels = {"coarse": np.repeat([0, 1], [6, 3]), "fine": np.repeat([0, 1, 2], 3)}
    found = naming.levels(texts, labels)
    assert found["fine"][2] == found["coarse"][1]
    assert found["coarse"][0].name not in [one.name for one in found["fine"][:2]]


def test_without_texts_a_value_that_dominates_names():
    kinds = ["cat"] * 7 + ["dog"] * 3 + ["dog"] * 10
    split = ["train"] * 20
    names = naming.names([None] * 20, np.repeat([0, 1], 10), metadata={"split": split, "kind": kinds})
    assert [(one.name, one.source) for one in names] == [("cat", "metadata"), ("dog", "metadata")]


def test_a_number_names_with_its_column_and_lists_name_nothing():
    columns = {"year": [1999] * 4 + [2004] * 4, "tags": [["a"]] * 8}
    assert called([None] * 8, np.repeat([0, 1], 4), metadata=columns) == ["year 1999", "year 2004"]


def test_folders_and_file_names_name_what_has_no_text():
    uris = [f"/photos/n0144_{name}.jpg" for name in ("goldfish", "small_goldfish", "car", "race_car", "bus")]
    labels = np.array([0, 0, 1, 1, 2])
    assert called([None] * 5, labels, metadata={"uri": uris}) == ["goldfish", "car", "bus"]
    uris = [f"/sounds/{folder}/{at:04}.wav" for folder in ("yes", "no") for at in range(3)]
    assert called([None] * 6, ROOTS, metadata={"uri": uris}) == ["yes", "no"]


def test_where_nothing_speaks_the_number_names():
    names = naming.names([None] * 4, np.array([0, 0, 1, -1]))
    assert [(one.name, one.words, one.source) for one in names] == [
        ("cluster 0", (), "number"),
        ("cluster 1", (), "number"),
    ]


@pytest.mark.parametrize("n", [0, 1, 2])
def test_tiny_collections_get_names(n):
    names = naming.names(["a lonely whale", "the other bird"][:n], np.arange(n))
    assert len({one.name for one in names}) == n
    assert all(one.source == "words" for one in names)


def test_names_do_not_depend_on_the_order_of_items():
    rng = np.random.default_rng(0)
    texts = [f"{rng.choice(['red', 'blue', 'green'])} {rng.choice(['house', 'tree', 'car'])}" for _ in range(60)]
    labels = rng.integers(0, 4, 60)
    order = rng.permutation(60)
    assert naming.names(texts, labels) == naming.names([texts[at] for at in order], labels[order])


def test_a_cluster_that_no_word_covers_is_called_by_two_of_its_words():
    animals, sports = ("otter", "heron", "badger", "lynx"), ("hockey", "rowing", "judo", "golf")
    rng = np.random.default_rng(0)
    texts = [
        f"{words[at % 4] if at % 16 < 4 else ''} {' '.join(f'w{number}' for number in rng.integers(0, 10**6, 3))}"
        for words in (animals, sports)
        for at in range(400)
    ]
    found = naming.names(texts, np.repeat(np.arange(2), 400), metadata={"set": ["one"] * 400 + ["other"] * 400})
    assert [one.source for one in found] == ["words", "words"]
    assert set(found[0].name.split(", ")) < set(animals)
    assert set(found[1].name.split(", ")) < set(sports)


def test_small_clusters_are_read_however_many_texts_there_are(monkeypatch):
    monkeypatch.setattr(naming, "_READ", 30)
    texts = [f"the weather in {at}" for at in range(600)] + ["a lynx again"] * 4
    found = naming.names(texts, np.repeat(np.arange(2), (600, 4)))
    assert [one.name for one in found] == ["weather", "lynx"]
