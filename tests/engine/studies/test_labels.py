"""Labels of stores: what is read of a column, what is kept of it, and what is refused."""

import numpy as np
import pytest

from latentstore.errors import InvalidInput

KINDS = ["apple", "pear", "plum"]


@pytest.fixture
def docs(store):
    """Three groups of 40 items; item 0 is called by another's name, the last 12 have no label, item 1 has a rare one."""
    rng = np.random.default_rng(0)
    kind = np.arange(120) % 3
    vectors = rng.normal(size=(3, 16))[kind] + 0.2 * rng.normal(size=(120, 16))
    told = [KINDS[one] for one in kind]
    told[0], told[1] = "pear", "quince"
    metadata = [{"kind": None if at >= 108 else told[at], "number": at, "half": at / 2} for at in range(120)]
    made = store.create("docs")
    made.add(vectors=vectors.astype(np.float32), ids=[f"i{at}" for at in range(120)], metadata=metadata)
    return made


def test_what_is_wrong_is_named_and_what_is_missing_suggested(docs):
    found = docs.space().labels("kind")
    assert [(one.id, one.label, one.looks_like) for one in found.suspects] == [("i0", "pear", "apple")]
    assert {one.id: one.label for one in found.suggested} == {f"i{at}": KINDS[at % 3] for at in range(108, 120)}
    assert (found.abstained, found.items, dict(found.rare)) == (0, 107, {"quince": 1})


def test_accuracies_count_each_label_and_the_baseline_is_the_commonest(docs):
    found = docs.space().labels("kind")
    assert found.neighbors == found.probe == found.both == pytest.approx(106 / 107)
    assert found.baseline == pytest.approx(36 / 107)
    assert {one.value: (one.items, one.taken_for, one.times) for one in found.classes}["pear"] == (36, "apple", 1)
    assert found.balanced == pytest.approx((1 + 35 / 36 + 1) / 3)


def test_suggestions_are_kept_beside_the_column_which_stays(docs):
    study = docs.space().labels("kind").study
    assert dict(study.columns) == {name: name for name in ("kind_suggested", "kind_confidence")}
    first, last, plain = (item.metadata for item in docs.get(["i0", "i119", "i4"]))
    assert (first["kind"], first["kind_suggested"]) == ("pear", "apple")
    assert (last["kind"], last["kind_suggested"]) == (None, "plum")
    assert plain["kind_suggested"] is None
    assert docs.count("kind_suggested IS NOT NULL") == 13


def test_nothing_is_kept_where_that_is_asked(docs):
    assert docs.space().labels("kind", keep=False).study is None
    assert docs.studies() == []


@pytest.mark.parametrize(
    ("column", "word"),
    [("number", "has 0 of 120 values"), ("half", "whole numbers or booleans"), ("kin", "did you mean 'kind'")],
)
def test_a_column_that_holds_no_labels_is_refused(docs, column, word):
    with pytest.raises(InvalidInput, match=word):
        docs.space().labels(column)


def test_too_few_items_and_a_share_that_is_none_are_refused(docs):
    with pytest.raises(InvalidInput, match="labels need at least 10 items"):
        docs.space().labels("kind", where="number < 3")
    with pytest.raises(InvalidInput, match="accuracy must be a share"):
        docs.space().labels("kind", accuracy=1.5)
