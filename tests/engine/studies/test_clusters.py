"""Clusters of stores: what is found, what is kept, what lasts from run to run, and where new items go. On real questions."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

import latentstore
from latentstore.analysis import clusters
from latentstore.encoders import load
from latentstore.errors import InvalidFilter, InvalidInput

BANK = Path(__file__).parents[3].parent / "shared" / "data" / "text" / "banking77" / "test.jsonl"
INTENTS = 10  # of 40 questions each


@pytest.fixture(scope="session")
def bank():
    """(texts, labels, vectors) of real questions, shuffled."""
    if not BANK.is_file():
        pytest.skip(f"real questions are read from {BANK}, which is not there")
    lines = [json.loads(line) for line in BANK.read_text(encoding="utf-8").splitlines()]
    chosen = list(dict.fromkeys(line["label"] for line in lines))[:INTENTS]
    lines = [line for line in lines if line["label"] in chosen]
    lines = [lines[at] for at in np.random.default_rng(0).permutation(len(lines))]
    texts = [line["text"] for line in lines]
    return texts, np.array([line["label"] for line in lines]), load("text").encode(texts)


@pytest.fixture(scope="session")
def clustered(bank, tmp_path_factory):
    """(collection, Clustering) of all the questions, to look at; not to be changed."""
    texts, labels, vectors = bank
    with latentstore.open(tmp_path_factory.mktemp("clustered") / "bank.latent") as store:
        docs = store.create("bank", encoders=["text"])
        given = {"vectors": vectors, "fingerprint": docs.space().fingerprint}
        docs.add(
            texts, ids=[f"q{at}" for at in everything(bank)], metadata=[{"intent": one} for one in labels], **given
        )
        yield docs, docs.space().cluster()


@pytest.fixture
def fill(store, bank):
    """A collection of some of the questions, or more of them put into one."""
    texts, labels, vectors = bank

    def put(rows, docs=None):
        docs = store.create("bank", encoders=["text"]) if docs is None else docs
        docs.add(
            [texts[at] for at in rows],
            vectors=vectors[rows],
            fingerprint=docs.space().fingerprint,
            ids=[f"q{at}" for at in rows],
            metadata=[{"intent": labels[at]} for at in rows],
        )
        return docs

    return put


def everything(bank):
    return np.arange(len(bank[0]))


def fresh(bank, path, rows):
    """A store of its own of some of the questions, clustered."""
    texts, _, vectors = bank
    with latentstore.open(path) as store:
        docs = store.create("bank", encoders=["text"])
        given = {"vectors": vectors[rows], "fingerprint": docs.space().fingerprint}
        docs.add([texts[at] for at in rows], ids=[f"q{at}" for at in rows], **given)
        return docs.space().cluster()


def by_id(found, values):
    return dict(zip(found.ids, list(values), strict=True))


def test_real_questions_are_sorted_by_what_they_ask(clustered, bank):
    _, found = clustered
    assert adjusted_rand_score(bank[1], found.labels) > 0.7
    assert found.ids == [f"q{at}" for at in everything(bank)]


def test_every_cluster_is_told_as_its_items_are(clustered):
    _, found = clustered
    for level in found.levels.values():
        assert [one.size for one in level.clusters] == sorted((one.size for one in level.clusters), reverse=True)
        assert {one.number: one.size for one in level.clusters} == dict(
            zip(*np.unique(level.labels, return_counts=True), strict=True)
        )
        own = by_id(found, level.labels)
        for one in level.clusters:
            assert {own[item] for item in (*one.exemplars, *one.border)} == {one.number}
            assert one.share == one.size / len(found)
            assert 0 <= one.stability <= 1
            assert ("unstable" in one.flags) == (one.stability < 0.6)


def test_finer_clusters_lie_in_their_parents(clustered):
    levels = list(clustered[1].levels.values())
    assert all(one.parent is None for one in levels[0].clusters)
    for wider, finer in pairwise(levels):
        for one in finer.clusters:
            assert set(wider.labels[finer.labels == one.number]) == {one.parent}


def test_names_are_distinct_and_say_what_the_questions_ask(clustered, bank):
    _, found = clustered
    assert len(set(found.names.values())) == len(found.names)
    texts = by_id(found, bank[0])
    for one in found.clusters:
        inside = " ".join(texts[item].lower() for item, at in by_id(found, found.labels).items() if at == one.number)
        assert one.name.split()[0].lower()[:4] in inside


def test_less_sure_items_are_more_often_among_others(clustered, bank):
    _, labels, _ = bank
    _, found = clustered
    most = {at: np.unique(labels[found.labels == at], return_counts=True) for at in found.names}
    right = np.array([most[at][0][most[at][1].argmax()] == own for at, own in zip(found.labels, labels, strict=True)])
    sure = found.confidence > np.quantile(found.confidence, 0.3)
    assert right[sure].mean() > right[~sure].mean() + 0.1
    assert (found.second != found.labels).all()


def test_the_order_of_rows_changes_neither_clusters_nor_numbers_nor_names(clustered, bank, tmp_path):
    _, plain = clustered
    moved = fresh(bank, tmp_path / "b", np.random.default_rng(5).permutation(everything(bank)))
    for name, level in plain.levels.items():
        assert by_id(plain, level.labels) == by_id(moved, moved.levels[name].labels)
        assert [(one.number, one.name, one.stability) for one in level.clusters] == [
            (one.number, one.name, one.stability) for one in moved.levels[name].clusters
        ]
    close = by_id(moved, moved.confidence)
    assert all(abs(close[item] - sure) < 1e-6 for item, sure in by_id(plain, plain.confidence).items())


def test_a_second_run_over_the_same_items_changes_nothing(fill):
    space = fill(np.arange(150)).space()
    first, second = space.cluster(), space.cluster()
    assert (second.labels.tolist(), second.names) == (first.labels.tolist(), first.names)
    assert (second.changes, second.since.added, second.since.removed) == ((), 0, 0)
    assert second.since.study == first.study.id


@pytest.fixture(scope="session")
def grown(bank, tmp_path_factory):
    """The Clustering of some questions, and that of all, one intent and some others having come later."""
    texts, labels, vectors = bank
    late = labels == labels[0]
    late[np.random.default_rng(0).permutation(len(late))[:20]] = True
    found = []
    for rows in (np.flatnonzero(~late), np.flatnonzero(late)):
        with latentstore.open(tmp_path_factory.getbasetemp() / "grown.latent") as store:
            docs = store.get_or_create("bank", encoders=["text"])
            given = {"vectors": vectors[rows], "fingerprint": docs.space().fingerprint}
            docs.add([texts[at] for at in rows], ids=[f"q{at}" for at in rows], **given)
            found.append(docs.space().cluster())
    return found


def members(found, at, among):
    return {item for item, own in by_id(found, found.labels).items() if own == at} & set(among)


def test_clusters_that_persist_keep_their_numbers_and_names_when_items_come(grown):
    before, after = grown
    lasting = before.names.keys() & after.names.keys()
    assert len(lasting) >= 0.8 * len(before.names)
    for at in lasting:
        old, new = members(before, at, before.ids), members(after, at, before.ids)
        assert 2 * len(old & new) >= 0.5 * (len(old) + len(new))
        assert before.names[at] == after.names[at]


def test_numbers_of_clusters_that_come_later_are_new_and_every_one_is_told(grown, bank):
    before, after = grown
    new = after.names.keys() - before.names.keys()
    assert min(new) > max(before.names)
    told = " ".join(change.detail for change in after.changes if change.kind == "split")
    alone = {change.number for change in after.changes if change.kind == "new"}
    assert {at for at in new if f"{after.names[at]!r} (" not in told} == alone
    late = [item for item, intent in zip(after.ids, after.labels, strict=True) if intent in alone]
    intents = {bank[1][int(item[1:])] for item in late}
    assert bank[1][0] in intents


def test_the_run_before_is_told(grown):
    before, after = grown
    since = after.since
    assert (since.study, since.before, since.now) == (before.study.id, len(before), len(after))
    assert (since.added, since.removed) == (len(after) - len(before), 0)


def test_clusters_of_deleted_items_are_gone_and_their_numbers_are_never_used_again(fill, bank):
    docs = fill(everything(bank))
    first = docs.space().cluster()
    docs.delete([item for item, at in by_id(first, first.labels).items() if at == 0])
    second = docs.space().cluster()
    assert ("gone", first.names[0]) in {(change.kind, change.name) for change in second.changes}
    assert 0 not in second.names
    fill([int(item[1:]) for item, at in by_id(first, first.labels).items() if at == 0], docs)
    third = docs.space().cluster()
    assert 0 not in third.names
    assert max(third.names) > max(first.names)


def test_clusters_are_kept_as_columns_and_as_a_study(clustered, bank):
    docs, found = clustered
    name = found.names[0]
    quoted = name.replace("'", "''")
    assert docs.count(where=f"cluster = '{quoted}'") == found.sizes[0]
    rows = {row["id"]: row["cluster_confidence"] for row in docs.sql("select id, cluster_confidence from items")}
    assert rows == pytest.approx(by_id(found, found.confidence))
    (study,) = docs.studies()
    assert (study.kind, study.rows, study.seed, study.parameters["level"]) == ("clusters", len(bank[0]), 0, "medium")


def test_names_are_not_taken_from_columns_that_studies_made(store):
    vectors = np.random.default_rng(0).standard_normal((60, 4)).astype(np.float32)
    points = store.create("points")
    points.add(vectors=vectors)
    space = points.space()
    space.cluster(seed=1)
    assert all(name.startswith("cluster ") for name in space.cluster(seed=2, level="coarse").names.values())


def test_nothing_is_kept_where_it_is_not_wanted_or_cannot_be(fill, store):
    docs = fill(np.arange(60))
    found = docs.space().cluster(keep=False)
    assert (found.study, docs.studies(), "cluster" in docs.info()["columns"]) == (None, [], False)
    store.close()
    with latentstore.open(store.path, read_only=True) as reading:
        again = reading.collection("bank").space().cluster()
        assert (again.study, again.labels.tolist()) == (None, found.labels.tolist())


def test_a_filter_leaves_the_others_without_a_cluster(fill, bank):
    docs = fill(everything(bank))
    some = sorted(set(bank[1]))[:4]
    where = f"intent in ({', '.join(map(repr, map(str, some)))})"
    found = docs.space().cluster(where=where)
    assert len(found) == np.isin(bank[1], some).sum() == docs.count(where="cluster is not null")
    assert docs.count(where=f"cluster is not null and not ({where})") == 0


def test_new_items_go_where_a_run_over_all_would_put_them(fill, bank):
    _, labels, vectors = bank
    held = np.zeros(len(labels), dtype=bool)
    held[::5] = True
    space = fill(np.flatnonzero(~held)).space()
    found = space.cluster()
    most = {at: np.unique(labels[~held][found.labels == at], return_counts=True) for at in found.names}
    most = {at: names[counts.argmax()] for at, (names, counts) in most.items()}
    given = space.assign(vectors[held])
    right = np.array([most[at] == own for at, own in zip(given.labels.tolist(), labels[held], strict=True)])
    inside = np.mean([most[at] == own for at, own in zip(found.labels.tolist(), labels[~held], strict=True)])
    assert right.mean() > inside - 0.08
    assert given.confidence[right].mean() > given.confidence[~right].mean()
    assert given.names == [found.names[at] for at in given.labels]


@pytest.mark.parametrize("level", ["coarse", "medium", "fine"])
def test_items_that_were_clustered_are_put_where_they_are(clustered, bank, level):
    docs, found = clustered
    given = docs.space().assign(bank[2], level=level)
    assert (given.level, given.study.id) == (level, found.study.id)
    assert np.mean(given.labels == found.levels[level].labels) > 0.9


def test_a_text_is_assigned_by_the_encoder(clustered, bank):
    docs, found = clustered
    (at,) = docs.space().assign(["I am still waiting for my card to arrive"]).labels
    assert at == np.bincount(found.labels[bank[1] == "card_arrival"]).argmax()


def test_assigning_before_clustering_says_what_to_do(fill):
    with pytest.raises(InvalidInput, match="cluster it first"):
        fill(np.arange(9)).space().assign(["where is my card?"])


def test_assigning_when_every_clustered_item_is_gone_says_so(fill):
    docs = fill(np.arange(50))
    docs.space().cluster()
    docs.delete([f"q{at}" for at in range(50)])
    fill(np.arange(50, 100), docs)
    with pytest.raises(InvalidInput, match="none of the items that were clustered is left"):
        docs.space().assign(["where is my card?"])


@pytest.mark.parametrize("n", [1, 2, 3, 5, 19, 20])
@pytest.mark.parametrize("metric", ["cosine", "l2", "ip"])
def test_few_items_have_clusters_too(store, n, metric):
    points = store.create("points", metric=metric)
    points.add(vectors=np.random.default_rng(n).standard_normal((n, 4)).astype(np.float32))
    found = points.space().cluster()
    assert sum(found.sizes.values()) == n
    assert np.isfinite(found.confidence).all() and (found.confidence >= 0).all() and (found.confidence <= 1).all()
    assert all((one.stability is None) == (n < 20) for one in found.clusters)
    again = points.space().cluster()
    assert (again.labels.tolist(), again.changes) == (found.labels.tolist(), ())


@pytest.mark.parametrize("metric", ["cosine", "l2"])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_equal_items_are_one_cluster(store, metric, value):
    points = store.create("points", metric=metric)
    points.add(vectors=np.full((50, 3), value, np.float32))
    (one,) = points.space().cluster().clusters
    assert (one.size, one.stability, one.tightness, one.flags, len(one.exemplars)) == (50, 1.0, 1.0, (), 1)


def test_a_space_without_vectors_says_so(store):
    with pytest.raises(InvalidInput, match="clusters need at least 1 item, space 'vectors' has 0; add some"):
        store.create("points").space().cluster()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"method": "dbscan"}, "method must be one of auto"),
        ({"level": "huge"}, "level must be one of coarse, medium, fine, got 'huge'"),
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"seed": 1.5}, "seed must be a whole number from 0"),
        ({"where": "nothing = 1"}, "there is no column 'nothing'"),
        ({"where": "id = 'nobody'"}, "has 0 where id = 'nobody'"),
    ],
)
def test_what_cannot_be_asked_is_told_in_a_line(store, wrong, told):
    points = store.create("points")
    points.add(vectors=np.eye(30, dtype=np.float32))
    with pytest.raises((InvalidInput, InvalidFilter), match=told):
        points.space().cluster(**wrong)
    assert points.studies() == []


def test_a_table_of_items_says_what_arrays_say(clustered):
    _, found = clustered
    table = found.to_pandas()
    assert table["number"].tolist() == found.labels.tolist()
    assert table["cluster"].tolist() == [found.names[at] for at in found.labels]
    assert table["confidence"].tolist() == found.confidence.tolist()


def test_progress_is_told_step_by_step(fill):
    told = []
    fill(np.arange(60)).space().cluster(progress=lambda step, share: told.append((step, share)))
    assert {"clusters", "stability", "names"} <= {step for step, _ in told}
    assert all(0 <= share <= 1 for _, share in told)


def test_clusters_of_many_items_are_as_steady_as_those_of_the_sample_are(points, monkeypatch):
    monkeypatch.setattr(clusters, "SAMPLE", 150)  # of more items a sample is clustered, and halves of it again
    groups = np.repeat(np.arange(6), 80)
    vectors = np.eye(16)[groups] + np.random.default_rng(0).normal(0, 0.03, (len(groups), 16))
    points.add(vectors=vectors.astype(np.float32))
    found = points.space().cluster(keep=False, seed=1)
    assert adjusted_rand_score(groups, found.labels) > 0.95
    assert min(one.stability for one in found.clusters) > 0.9
    assert np.mean(found.confidence) > 0.9
