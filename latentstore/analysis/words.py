"""Words and phrases of texts: what the names of clusters, and the reasons of outliers and of change, are made of.

A term is one to three words that carry meaning, told by their stems: 'cards arrived' and 'card arrives' are one. Words that
carry none may stand inside a phrase ('proof of identity'), never at its ends. Writing that does not part its words (Chinese,
Japanese, Thai) gives runs of characters. A term is shown in the form in which it is most often written.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
import snowballstemmer
import xxhash
from scipy.special import ndtri

from latentstore.analysis.common_words import FILLERS, INNER, NOT, PARTICLES
from latentstore.types import Bool, Float64, Int64

_TWICE = 2.0  # how much more often one side must say what tells the two apart
_SURE = 0.05  # chance that any term at all is told where both sides, of _MANY texts, say the same
_MANY = 20
_LOOKED = 60  # terms of a side that are looked at
_TEXTS = 200_000  # texts that are read; of more, a sample by content
_CHARACTERS = 25_000_000  # of all texts together: long ones are read from their start
_LEAST = 200  # characters of a text that are read, however many texts there are
_WIDEST = 40  # characters of a word; what is longer is none
_LOWER = 0.25  # share of a word's spellings from which lower case is how it is written
_GAP = 2  # words without meaning that a phrase steps over at a time

_BREAK, _FILLER, _INNER, _PARTICLE, _SIGN, _WORD = range(6)  # what a token does in a phrase
_UNSPACED = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
# Addresses, tags, entities, roles of reStructuredText: what a page is made with, not what it says.
_MARKUP = re.compile(
    r"https?://\S+|www\.\S+|\S+@\S+\.\w+|</?[a-zA-Z!][^<>]{0,200}>|&#?\w{1,8};|:[a-z]+(?::[a-z]+)?:(?=`)"
)
_TOKEN = re.compile(
    r"[^\W\d]\w*(?:\.[^\W\d]\w*)+"  # a.dotted.name
    r"|[^\W_]+(?:['\u2019][^\W_]+)*(?:\+\+|#(?!\w))?"  # a word, isn't, C++
    r"|[^\w\s'\u2019\"\u201c\u201d*`_-]|\n\s*\n"  # what ends a phrase
)


@dataclass(frozen=True)
class Terms:
    """The terms of n texts, as `find` found them.

    texts, terms: (m,) int64, each pair once: text `texts[i]` says term `terms[i]`. length: (t,) int64, words of each term.
    read: (n,) bool, the texts that say anything; where texts are many, a sample of them.
    """

    texts: Int64
    terms: Int64
    length: Int64
    read: Bool
    tokens: _Tokens
    first: Int64  # (o,) the token at which each occurrence begins
    term: Int64  # (o,) the term that occurs there

    def counts(self, labels: Int64, k: int) -> tuple[Int64, Int64, Int64, Int64]:
        """Terms, groups, and how many texts of the group say the term, (c,) each, groups in order; and (k,) texts of each group.

        labels: (n,), the group of each text, 0..k-1, or -1 for none.
        """
        group = labels[self.texts]
        cells = (group * len(self.length) + self.terms)[group >= 0]
        cells, said = np.unique(cells, return_counts=True)
        sizes = np.bincount(labels[self.read & (labels >= 0)], minlength=k)
        return cells % max(1, len(self.length)), cells // max(1, len(self.length)), said, sizes

    def table(self, labels: Int64, k: int) -> tuple[Int64, Int64]:
        """`counts` of few groups as one (t, k) table, and (k,) texts of each."""
        term, group, said, sizes = self.counts(labels, k)
        out = np.zeros((len(self.length), k), dtype=np.int64)
        out[term, group] = said
        return out, sizes

    def written(self, wanted: Iterable[int]) -> dict[int, str]:
        """Each wanted term in the form most often written; of equals, the first of the alphabet."""
        ids = np.unique(np.fromiter(wanted, dtype=np.int64))
        at = np.flatnonzero(np.isin(self.term, ids))
        forms: dict[int, Counter[str]] = {}
        for term, form, count in self.tokens.forms(self.term[at], self.first[at], self.length):
            forms.setdefault(term, Counter())[form] += count
        return {term: min(seen, key=lambda form: (-seen[form], form)) for term, seen in forms.items()}

    @cached_property
    def _sample(self) -> dict[int, int]:
        """An occurrence of each term."""
        ids, at = np.unique(self.term, return_index=True)
        return dict(zip(ids.tolist(), self.first[at].tolist(), strict=True))

    def stems(self, term: int) -> tuple[str, ...]:
        """The stems of a term's words, in their order."""
        return self.tokens.stems(self._sample[term], int(self.length[term]))


def contrast(
    a: Sequence[str | None], b: Sequence[str | None], *, count: int = 6
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the texts `a` say and `b` do not, and the reverse: up to `count` terms each, the most telling first.

    By the signed root of the log-likelihood ratio (Dunning 1993); at least twice as often on its side, and of 20 texts or more a
    side beyond what chance does to so many terms (Bonferroni). Of a single text single words. Nothing where a side is empty.
    """
    terms = find([*a, *b])
    side = np.repeat(np.arange(2, dtype=np.int64), (len(a), len(b)))
    said, sizes = terms.table(side, 2)
    share = (said + 0.5) / (sizes + 1)
    score = _signed(said, sizes)
    least = float(ndtri(1 - _SURE / max(1, 2 * len(said)))) if sizes.min() >= _MANY else 0.0
    return (
        _telling(terms, score, share[:, 0] / share[:, 1], said[:, 0], int(sizes[0]), least)[:count],
        _telling(terms, -score, share[:, 1] / share[:, 0], said[:, 1], int(sizes[1]), least)[:count],
    )


def _signed(said: Int64, sizes: Int64) -> Float64:
    """(t,) how surely the first side says each term more often, in standard deviations; below 0 where it says it less."""
    seen = np.stack((said, sizes - said)).astype(np.float64)  # (2, t, 2): texts that say it, and that do not, a side
    expected = seen.sum(axis=2, keepdims=True) * sizes / max(1, int(sizes.sum()))
    ratio = np.divide(seen, expected, out=np.ones_like(seen), where=(seen > 0) & (expected > 0))
    root = np.sqrt(np.maximum(2 * (seen * np.log(ratio)).sum(axis=(0, 2)), 0))
    return np.asarray(np.where(seen[0, :, 0] > expected[0, :, 0], root, -root))


def _telling(terms: Terms, score: Float64, lift: Float64, said: Int64, size: int, least: float) -> tuple[str, ...]:
    """The terms of one side that repeat no word of each other, highest score first."""
    fit = (said >= min(2, size)) & (said > 0) & (score > least) & ((terms.length == 1) | (size > 1))
    fit &= lift >= (_TWICE if size > 1 else 1.0)
    listed = np.flatnonzero(fit)
    listed = listed[np.lexsort((listed, -terms.length[listed], -score[listed]))][:_LOOKED]
    written = terms.written(listed.tolist())
    return unlike(written[at] for at in listed.tolist())


def unlike(phrases: Iterable[str], said: Iterable[str] = ()) -> tuple[str, ...]:
    """The phrases that repeat no word of one before, nor any stem in `said`."""
    known, out = set(said), []
    for phrase in phrases:
        own = stems(phrase)
        if not own & known:
            out.append(phrase)
            known |= own
    return tuple(out)


@dataclass(frozen=True)
class _Tokens:
    """Every token that is part of phrases, in reading order.

    All (p,): the text it is of; its kind; the numbers of its spelling and of its stem; the spelling of a word without meaning
    that a phrase shows before it, -1 for none; whether it follows the token before it in a phrase.
    """

    text: Int64
    kind: Int64
    shown: Int64
    stem: Int64
    inner: Int64
    linked: Bool
    spellings: list[str]
    roots: list[str]

    def forms(self, term: Int64, first: Int64, length: Int64) -> Iterator[tuple[int, str, int]]:
        """(term, spelling, count) of occurrences; the same may come twice."""
        for words in range(1, 4):
            at = np.flatnonzero(length[term] == words)
            parts = [term[at], self.shown[first[at]]]
            for further in range(1, words):
                parts += [self.inner[first[at] + further], self.shown[first[at] + further]]
            rows, counts = np.unique(np.column_stack(parts), axis=0, return_counts=True)
            for row, count in zip(rows.tolist(), counts.tolist(), strict=True):
                yield row[0], _joined([self.spellings[one] for one in row[1:] if one >= 0]), count

    def stems(self, first: int, words: int) -> tuple[str, ...]:
        return tuple(self.roots[one] for one in self.stem[first : first + words].tolist())


def _joined(parts: list[str]) -> str:
    line = parts[0]
    for before, after in pairwise(parts):
        line += after if _UNSPACED.match(before[-1]) and _UNSPACED.match(after) else f" {after}"
    return line


def find(texts: Sequence[str | None], *, least: int = 1) -> Terms:
    """The terms that at least `least` of the texts say. Cost grows with the texts up to 25 million characters."""
    chosen = by_content(texts)[:_TEXTS]
    vocabulary = _Vocabulary()
    longest = max(_LEAST, _CHARACTERS // max(1, len(chosen)))
    pieces = [vocabulary.read(texts[at] or "", longest) for at in chosen.tolist()]
    sizes = np.fromiter(map(len, pieces), dtype=np.int64, count=len(pieces))
    raw = np.fromiter((one for piece in pieces for one in piece), dtype=np.int64, count=int(sizes.sum()))
    return _terms(vocabulary.tokens(raw, np.repeat(chosen, sizes)), len(texts), least)


def _terms(tokens: _Tokens, n: int, least: int) -> Terms:
    first: list[Int64] = []
    number: list[Int64] = []
    length: list[Int64] = []
    for words, (at, ids) in enumerate(_runs(tokens, least), 1):
        often, ids, count = _frequent(tokens.text[at], ids, least)
        first.append(at[often])
        number.append(ids[often] + sum(len(one) for one in length))
        length.append(np.full(count, words))
    at, term = np.concatenate(first), np.concatenate(number)
    count = sum(len(one) for one in length)
    pairs = np.unique(tokens.text[at] * count + term)
    read = np.zeros(n, dtype=np.bool_)
    read[tokens.text] = True
    return Terms(pairs // max(1, count), pairs % max(1, count), np.concatenate(length), read, tokens, at, term)


def _runs(tokens: _Tokens, least: int) -> Iterator[tuple[Int64, Int64]]:
    """The positions at which runs of one, two and three words begin, and a number for each run of the same stems."""
    roots, at, run = len(tokens.roots), np.arange(len(tokens.text)), tokens.stem
    follows = np.append(tokens.linked[1:], False)
    for words in range(1, 4):
        alone = tokens.kind[at] == _WORD
        own = alone if words == 1 else alone | (tokens.kind[at] == _SIGN)
        yield at[own], run[own]
        last = at + words - 1
        more = follows[last]
        at, run, last = at[more], run[more], last[more]
        new = tokens.stem[last + 1] != tokens.stem[last]
        at, run, last = at[new], run[new], last[new]
        often, run, _ = _frequent(tokens.text[at], run * roots + tokens.stem[last + 1], least)
        at, run = at[often], run[often]


def _frequent(text: Int64, ids: Int64, least: int) -> tuple[Bool, Int64, int]:
    """Which occurrences are of what `least` texts have; all of them numbered anew, those 0..count-1; and that count."""
    _, ids = np.unique(ids, return_inverse=True)
    width = int(ids.max(initial=0)) + 1
    texts = (
        np.bincount(np.unique(text * width + ids) % width, minlength=width) if len(ids) else np.zeros(width, np.int64)
    )
    kept = texts >= least
    return kept[ids], np.where(kept, np.cumsum(kept) - 1, -1)[ids], int(kept.sum())


def by_content(texts: Sequence[str | None]) -> Int64:
    """Positions of the texts that are there, by a hash of their content: what is drawn so does not depend on row order."""
    there = np.fromiter((at for at, text in enumerate(texts) if text), dtype=np.int64)
    hashes = np.fromiter((xxhash.xxh3_64_intdigest(str(texts[at]).encode()) for at in there.tolist()), dtype=np.uint64)
    return there[np.argsort(hashes, kind="stable")]


class _Vocabulary(dict[str, int]):
    """Numbers tokens as they are first met."""

    def __missing__(self, token: str) -> int:
        self[token] = len(self)
        return self[token]

    def read(self, text: str, longest: int) -> list[int]:
        """The numbers of a text's tokens, the end of the text among them."""
        found = _TOKEN.findall(_MARKUP.sub(" . ", text[:longest]))
        found.append(".")
        return [self[token] for token in found]

    def tokens(self, raw: Int64, text: Int64) -> _Tokens:
        """What can be part of phrases."""
        raw, text = self._opened(raw, text)
        kinds = np.fromiter(map(_kind, self), dtype=np.int64, count=len(self))
        shown, spellings = self._spellings(np.bincount(raw, minlength=len(self)))
        stem, roots = self._stems(np.bincount(raw, minlength=len(self)))
        kind = kinds[raw]
        at = np.flatnonzero(kind >= _PARTICLE)
        ends = np.cumsum(kind == _BREAK)[at]
        step = np.diff(at, prepend=-_GAP)
        linked = np.zeros(len(at), dtype=np.bool_)
        linked[1:] = (step[1:] <= _GAP + 1) & (ends[1:] == ends[:-1])
        inner = np.full(len(at), -1, dtype=np.int64)
        for back in range(_GAP, 0, -1):  # of two, the first
            before = np.maximum(at - step + back, 0)
            inside = linked & (step > back) & (kind[before] == _INNER)
            inner[inside] = shown[raw[before[inside]]]
        used = raw[at]
        return _Tokens(text[at], kind[at], shown[used], stem[used], inner, linked, spellings, roots)

    def _opened(self, raw: Int64, text: Int64) -> tuple[Int64, Int64]:
        """Dotted names as their parts and beginnings, runs of unspaced writing as their characters."""
        parts = [[self[one] for one in _parts(token)] for token in list(self)]
        if all(len(one) == 1 for one in parts):
            return raw, text
        sizes = np.fromiter(map(len, parts), dtype=np.int64, count=len(parts))
        flat = np.fromiter((one for part in parts for one in part), dtype=np.int64, count=int(sizes.sum()))
        starts, wide = np.cumsum(sizes) - sizes, sizes[raw]
        within = np.arange(int(wide.sum())) - np.repeat(np.cumsum(wide) - wide, wide)
        return flat[np.repeat(starts[raw], wide) + within], np.repeat(text, wide)

    def _spellings(self, counts: Int64) -> tuple[Int64, list[str]]:
        """For each token the number of the spelling it is shown in: lower case where that is at all common, as written else."""
        variants: dict[str, list[str]] = {}
        for token in self:
            variants.setdefault(token.casefold(), []).append(token)
        numbers = np.empty(len(self), dtype=np.int64)
        spellings = []
        for at, (folded, tokens) in enumerate(variants.items()):
            often = {token: int(counts[self[token]]) for token in tokens}
            lower = often.get(folded, 0) >= _LOWER * sum(often.values())
            spellings.append(folded if lower else min(often, key=lambda token: (-often[token], token)))
            numbers[[self[token] for token in tokens]] = at
        return numbers, ["not" if one in NOT else _bare(one) for one in spellings]

    def _stems(self, counts: Int64) -> tuple[Int64, list[str]]:
        stemmer = snowballstemmer.stemmer("english")
        roots: dict[str, int] = {}
        numbers = np.empty(len(self), dtype=np.int64)
        for token, at in self.items():
            folded = _bare(token.casefold())
            # What comes once has no other form to be one with, and stemming is most of the time.
            root = stemmer.stemWord(folded) if counts[at] > 1 and folded.isalpha() else folded
            numbers[at] = roots.setdefault(root, len(roots))
        return numbers, list(roots)


def _bare(token: str) -> str:
    """The token without a possessive ending."""
    return token[:-2] if token.endswith(("'s", "'S", "\u2019s", "\u2019S")) else token


def _kind(token: str) -> int:
    """What a token does in a phrase."""
    plain = token.casefold().replace("\u2019", "'")
    if not any(one.isalnum() for one in token) or len(token) > _WIDEST:
        return _BREAK
    if plain in INNER or plain in NOT:
        return _INNER
    if plain in PARTICLES:
        return _PARTICLE
    if _UNSPACED.match(plain):
        return _SIGN
    bare = _bare(plain)
    digits = sum(one.isdigit() for one in bare)
    filler = plain in FILLERS or bare in FILLERS or 2 * digits > len(bare) or len(bare) < 2
    return _FILLER if filler else _WORD


def _parts(token: str) -> list[str]:
    """A token as those that it is made of: itself, mostly."""
    if len(token) > 1 and _UNSPACED.search(token):
        return list(token)
    if "." not in token or len(token) < 2:
        return [token]
    parts = token.split(".")
    whole = [".".join(parts[:count]) for count in range(2, len(parts) + 1)]
    return [one for words in (*(part.split("_") for part in parts), *([one] for one in whole)) for one in (*words, ".")]


@lru_cache(maxsize=1 << 16)
def stems(phrase: str) -> frozenset[str]:
    """The stems of a phrase's words, and its numbers; words without meaning are left out unless it has no others."""
    found = [part for token in _TOKEN.findall(phrase) for part in token.split(".")]
    tokens = [_bare(token.casefold()) for token in found if _kind(token) != _BREAK]
    stemmer = snowballstemmer.stemmer("english")
    telling = [token for token in tokens if _kind(token) >= _PARTICLE or token.isdigit()] or tokens
    return frozenset(stemmer.stemWord(token) for token in telling)
