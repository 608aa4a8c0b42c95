"""Names for clusters: a phrase that its texts say and others do not, else a value that most of its metadata share, else a number.

Terms are weighed by a class-based tf-idf (after Grootendorst 2022): the share of a cluster's texts that say the term, times the
logarithm of how much larger it is than the share elsewhere. Of the heaviest, the one closest to the cluster's centre by the text
encoder names it. No two clusters of a level have the same name, nor the same words in another order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

import numpy as np

from latentstore.analysis.words import Terms, by_content, find, stems, unlike
from latentstore.distance import unit
from latentstore.types import Bool, Float32, Float64, Int64

Encode = Callable[[list[str]], Float32]

WORDS = 5  # further words beside a name
_READ = 20_000  # texts that are read; of more, a sample by content,
_FIRST = 50  # and so many of each of the smallest clusters, as far as they have them
_CANDIDATES = 12  # terms of a cluster that may name it
_ENCODED = 1000  # terms of a level that the encoder is asked about, the heaviest of each cluster; of none,
_FEWEST = 2  # where that leaves a cluster fewer: the heaviest names then
_LISTED = 60  # terms of a cluster that are looked at, heaviest first
_SPOKEN = 0.1  # share of a cluster's texts that must say its name
_ENOUGH = 3  # terms said so often; where there are fewer, terms said by _SELDOM follow
_SELDOM = 0.02
_WEIGHT = 0.08  # of the logarithm of a term's weight beside its cosine to the centre
_LONGER = 0.3  # what each further word of a phrase adds to its weight
_WITHIN = 0.8  # share of a term's texts from which the longer phrase around it takes its place
_SMALL = 2.0  # texts as all clusters have them that are added to each: a share of a few texts is no share yet
_FLOOR = 0.01  # share below which a term is as good as not said elsewhere
_DOMINANT = 0.6  # share of a cluster from which a value of metadata names it
_LIFT = 1.5  # and how much larger than its share among all items that must be
_WIDE = 60  # characters of a value that names
_FILES = 1 / 3  # share of a cluster from which a word of file names does


@dataclass(frozen=True, slots=True)
class Name:
    """name: distinct within its level. words: what else is typical, most typical first, no word of the name again.

    source: "words" of its texts, "metadata" (a value, a folder, words of file names), "number" where nothing else speaks, "kept"
    where it was given.
    """

    name: str
    words: tuple[str, ...]
    source: str


@dataclass(frozen=True, slots=True)
class _Candidate:
    """What may name a cluster. weight: how typical it is; value: by which the name is chosen, comparable between clusters."""

    written: str
    stems: frozenset[str]
    weight: float
    value: float
    source: str = "words"


def names(
    texts: Sequence[str | None],
    labels: Int64,
    *,
    metadata: Mapping[str, Sequence[Any]] | None = None,
    encode: Encode | None = None,
    centers: Float32 | None = None,
    kept: Mapping[int, str] | None = None,
) -> list[Name]:
    """A name for each cluster 0..max(labels), from n texts (None: an item without) and their labels; -1 is in no cluster.

    metadata: columns of n values; "uri" gives folders and words of file names. encode, centers: the text encoder and (k, dim)
    centres in its space; without them the heaviest term names. kept: names that clusters have already, by number.
    """
    return levels(
        texts,
        {"": labels},
        metadata=metadata,
        encode=encode,
        centers=None if centers is None else {"": centers},
        kept=None if kept is None else {"": kept},
    )[""]


def levels(
    texts: Sequence[str | None],
    labels: Mapping[str, Int64],
    *,
    metadata: Mapping[str, Sequence[Any]] | None = None,
    encode: Encode | None = None,
    centers: Mapping[str, Float32] | None = None,
    kept: Mapping[str, Mapping[int, str]] | None = None,
) -> dict[str, list[Name]]:
    """`names` of several levels of the same items, coarsest first, arguments by level.

    A cluster of the same members on two levels has one name; a part is not called what the whole is.
    """
    terms = find(_sampled(texts, labels), least=1 if len(texts) < 50 else 2)
    ask = _remembering(encode)
    out: dict[str, list[Name]] = {}
    above: list[tuple[Int64, list[Name]]] = []
    for level, numbers in labels.items():
        k = int(numbers.max(initial=-1)) + 1
        center = None if centers is None else centers[level]
        candidates = _of_texts(terms, numbers, k, ask, center)
        few = np.asarray([len(some) < _ENOUGH for some in candidates])
        if few.any():
            seldom = _of_texts(terms, numbers, k, ask, center, _SELDOM, few)
            candidates = [_extended(some, seldom[at]) for at, some in enumerate(candidates)]
        if metadata and not all(candidates):
            found = _of_metadata(metadata, numbers, k)
            candidates = [of_texts or found[at] for at, of_texts in enumerate(candidates)]
        same, barred = _related(numbers, k, above)
        given = {at: Name(name, (), "kept") for at, name in (kept or {}).get(level, {}).items()}
        out[level] = _assigned(candidates, {**same, **given}, barred)
        above.append((numbers, out[level]))
    return out


def _sampled(texts: Sequence[str | None], labels: Mapping[str, Int64]) -> Sequence[str | None]:
    """The texts that are read; None in place of the others."""
    if len(texts) <= _READ or not labels:
        return texts
    order = by_content(texts)
    group = list(labels.values())[-1][order]  # the finest
    inner = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[inner], group[inner])
    first = inner[np.arange(len(inner)) - starts < _FIRST]
    read: list[str | None] = [None] * len(texts)
    for at in order[np.union1d(np.arange(min(_READ, len(order))), first)].tolist():
        read[at] = texts[at]
    return read


def _remembering(encode: Encode | None) -> Encode | None:
    """The encoder, each phrase encoded once whatever levels ask; unit length."""
    known: dict[str, Float32] = {}

    def ask(phrases: list[str]) -> Float32:
        assert encode is not None
        new = sorted(set(phrases) - known.keys())
        if new:
            known.update(zip(new, unit(np.asarray(encode(new), dtype=np.float32)), strict=True))
        return np.stack([known[phrase] for phrase in phrases])

    return None if encode is None else ask


def _of_texts(
    terms: Terms,
    labels: Int64,
    k: int,
    ask: Encode | None,
    centers: Float32 | None,
    least: float = _SPOKEN,
    asked: Bool | None = None,
) -> list[list[_Candidate]]:
    """For each cluster what could name it, best first. asked: (k,), the clusters that are to be named; all where None."""
    term, group, said, sizes = terms.counts(labels, k)
    weight = _weights(term, group, said, sizes)
    enough = (said >= np.maximum(np.minimum(2, sizes), least * sizes)[group]) & (weight > 0)
    enough &= True if asked is None else asked[group]
    term, group, said, weight = term[enough], group[enough], said[enough], weight[enough]
    order = np.lexsort((term, -weight, group))
    starts = np.searchsorted(group[order], np.arange(k + 1))
    chosen = [_whole(terms, term, said, order[starts[at] : starts[at + 1]][:_LISTED])[:_CANDIDATES] for at in range(k)]
    written = terms.written(int(term[one]) for some in chosen for one in some)
    found = [[_candidate(written[int(term[one])], float(weight[one])) for one in some] for some in chosen]
    limit = _ENCODED // max(1, k)
    if ask is None or centers is None or not any(found) or limit < _FEWEST:
        return found
    leading = [some[:limit] for some in found]
    encoded = np.split(
        ask([one.written for some in leading for one in some]), np.cumsum([len(some) for some in leading])[:-1]
    )
    near = [
        _closest(some, vectors @ center) for some, vectors, center in zip(leading, encoded, unit(centers), strict=True)
    ]
    return [_followed(some, every[limit:]) for some, every in zip(near, found, strict=True)]


def _followed(first: list[_Candidate], others: list[_Candidate]) -> list[_Candidate]:
    """The others behind the first, whose values they do not reach."""
    last = first[-1].value if first else 0.0
    return [*first, *(replace(one, value=last - 1 - at) for at, one in enumerate(others))]


def _weights(term: Int64, group: Int64, said: Int64, sizes: Int64) -> Float64:
    """(c,) class-based tf-idf of each term in each cluster that says it; at most 0 where others say it as often."""
    clusters = max(1, int(np.count_nonzero(sizes)))
    share = said / sizes[group]
    total = np.bincount(term, weights=share)[term] if len(term) else share
    own = (said + _SMALL * total / clusters) / (sizes[group] + _SMALL)
    elsewhere = np.maximum(total - share, 0) / max(1, clusters - 1)
    return np.asarray(own * np.log((own + _FLOOR) / (elsewhere + _FLOOR)))


def _candidate(written: str, weight: float, source: str = "words") -> _Candidate:
    return _Candidate(written, stems(written) or frozenset({written}), weight, weight, source)


def _whole(terms: Terms, term: Int64, said: Int64, listed: Int64) -> list[int]:
    """What is left of the listed cells without those that are mostly a part of a longer one: 'york' of 'new york'."""
    runs = {int(at): terms.stems(int(term[at])) for at in listed}
    return [
        at for at in runs if not any(_part(at, other, runs) and said[other] >= _WITHIN * said[at] for other in runs)
    ]


def _part(at: int, other: int, runs: Mapping[int, tuple[str, ...]]) -> bool:
    short, long = runs[at], runs[other]
    return (
        any(long[start : start + len(short)] == short for start in range(len(long) - len(short) + 1)) and short != long
    )


def _closest(candidates: list[_Candidate], cosines: Float32) -> list[_Candidate]:
    """By cosine to the centre, and a little by weight: the closest of all may be what a single text says."""
    heaviest = max((one.weight for one in candidates), default=1.0)
    valued = [
        replace(one, value=float(cosine) + _WEIGHT * float(np.log(one.weight / heaviest)))
        for one, cosine in zip(candidates, cosines, strict=True)
    ]
    return sorted(valued, key=lambda one: (-one.value, one.written))


def _extended(often: list[_Candidate], seldom: list[_Candidate]) -> list[_Candidate]:
    """What few of the texts say after what many do; where nothing is, two terms together, since one tells a part only."""
    if not often:
        return _paired(seldom)
    known = {one.stems for one in often}
    return _followed(often, [one for one in seldom if one.stems not in known])


def _paired(candidates: list[_Candidate]) -> list[_Candidate]:
    for at, one in enumerate(candidates[1:], 1):
        first = candidates[0]
        if not one.stems & first.stems:
            both = replace(first, written=f"{first.written}, {one.written}", stems=first.stems | one.stems)
            return [both, *candidates[1:at], *candidates[at + 1 :]]
    return candidates


def _related(
    labels: Int64, k: int, above: Sequence[tuple[Int64, Sequence[Name]]]
) -> tuple[dict[int, Name], list[set[frozenset[str]]]]:
    """The names of clusters that a wider level has too, and for each of the others the names of those that it lies in."""
    same: dict[int, Name] = {}
    barred: list[set[frozenset[str]]] = [set() for _ in range(k)]
    sizes = np.bincount(labels[labels >= 0], minlength=k)
    for wider, called in above:
        whole = np.bincount(wider[wider >= 0], minlength=len(called))
        both = (labels >= 0) & (wider >= 0)
        pairs, shared = np.unique(labels[both] * max(1, len(called)) + wider[both], return_counts=True)
        for pair, count in zip(pairs.tolist(), shared.tolist(), strict=True):
            at, parent = divmod(pair, len(called))
            if count == sizes[at] == whole[parent]:
                same[at] = called[parent]
            elif 2 * count > sizes[at]:
                barred[at].add(stems(called[parent].name))
    return same, barred


def _assigned(
    candidates: list[list[_Candidate]], fixed: Mapping[int, Name], barred: list[set[frozenset[str]]]
) -> list[Name]:
    """One name each. Where two clusters want the same, the one that it says more of has it."""
    found = {at: (one.name, one.source) for at, one in fixed.items() if at < len(candidates)}
    used = {stems(name) for name, _ in found.values()}
    queue = sorted(((-one.value, at, order) for at, some in enumerate(candidates) for order, one in enumerate(some)))
    for _, at, order in queue:
        one = candidates[at][order]
        if at not in found and one.stems not in used and one.stems not in barred[at]:
            found[at] = one.written, one.source
            used.add(one.stems)
    for at, some in enumerate(candidates):
        if at not in found:
            found[at] = _left_over(at, some, {name.casefold() for name, _ in found.values()})
    return [Name(found[at][0], _further(found[at][0], some), found[at][1]) for at, some in enumerate(candidates)]


def _left_over(at: int, candidates: list[_Candidate], taken: set[str]) -> tuple[str, str]:
    """A name for a cluster whose every candidate names another: two of them together, one with a number, or its number."""
    if not candidates:
        return f"cluster {at}", "number"
    first = candidates[0]
    both = [f"{first.written}, {one.written}" for one in candidates[1:] if not one.stems & first.stems]
    numbered = (f"{first.written} {count}" for count in range(2, len(taken) + 3))
    return next(name for name in (*both, *numbered) if name.casefold() not in taken), first.source


def _further(name: str, candidates: list[_Candidate]) -> tuple[str, ...]:
    """The heaviest terms that repeat no word of the name nor of each other."""
    heaviest = sorted(candidates, key=lambda one: (-one.weight, one.written))
    return unlike((one.written for one in heaviest), stems(name))[:WORDS]


def _of_metadata(metadata: Mapping[str, Sequence[Any]], labels: Int64, k: int) -> list[list[_Candidate]]:
    """Values that most of a cluster share, heaviest first; where there are none, words that many of its files' names have."""
    columns = dict(metadata)
    paths = [PurePath(str(uri)) if uri else None for uri in columns.pop("uri", ())]
    if paths:
        columns.setdefault("folder", [path.parent.name if path else None for path in paths])
    valued: list[list[_Candidate]] = [[] for _ in range(k)]
    for column, values in columns.items():
        for at, one in _dominant(column, values, labels, k):
            valued[at].append(one)
    files = find([path.stem if path else None for path in paths])
    of_files = _of_texts(files, labels, k, None, None, _FILES) if paths else valued
    return [
        sorted(some, key=lambda one: -one.weight) or [replace(one, source="metadata") for one in words]
        for some, words in zip(valued, of_files, strict=True)
    ]


def _dominant(column: str, values: Sequence[Any], labels: Int64, k: int) -> Iterator[tuple[int, _Candidate]]:
    """The clusters that a value of the column is typical of."""
    told = [value if isinstance(value, str | int | bool) and value != "" else None for value in values]
    overall, within = Counter(told), [Counter[str | int | None]() for _ in range(k)]
    for value, label in zip(told, labels.tolist(), strict=True):
        if label >= 0:
            within[label][value] += 1
    for at, counts in enumerate(within):
        if not counts:
            continue
        value, count = max(counts.items(), key=lambda pair: (pair[1], str(pair[0])))
        share = count / counts.total()
        lift = share * len(told) / overall[value]
        if value is not None and share >= _DOMINANT and (lift >= _LIFT or k == 1):
            written = " ".join(value.split())[:_WIDE] if isinstance(value, str) else f"{column} {value}"
            yield at, _candidate(written, share * float(np.log(1 + lift)), "metadata")
