"""From scores to p-values, and from p-values to flags at a false discovery rate.

A p-value is the chance that an item like the rest scores as high. Among the bulk of the scores it is conformal: the share of the
known scores that are as high, the item itself counted among them, which holds whatever the scores are of as long as old and new
items come from one source (Vovk, Gammerman & Shafer 2005; Bates et al. 2023). Ranks alone can flag nothing among the very items
that make them up: the strangest of n always has 1/n. So the shares of the
highest tenth are those of a Weibull tail through three quantiles of the bulk, made heavier by its standard error and never lighter
than a normal one. Where outliers are a tenth of the items or more, they widen it: p-values rise, and fewer are flagged. Where the
tail is far heavier than the bulk lets expect, the rate is not kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from latentstore.types import Bool, Float64

FDR = 0.05
LEAST = 20  # scores from which a tail is continued; fewer have ranks alone
_BASE, _MIDDLE, _HIGH = 0.25, 0.75, 0.9  # quantiles that the tail goes through
_SHAPES = (0.5, 2.0)  # of the tail: 1 falls as an exponential, 2 as a normal one
_RATIO = float(np.log(np.log((1 - _BASE) / (1 - _HIGH)) / np.log((1 - _BASE) / (1 - _MIDDLE))))
# The standard error, √(2/n) for an exponential, by which the tail is taken to be heavier than three quantiles of n scores say.
_DOUBT = float(np.sqrt(2))


@dataclass(frozen=True)
class Tail:
    """Beyond `start`, p falls from `share` as a Weibull tail: base where it begins, scale and shape."""

    start: float
    base: float
    scale: float
    shape: float

    def p(self, scores: Float64) -> Float64:
        """(n,) float64: the share of items like the rest that score at least as high."""
        excess = np.maximum(scores - self.base, 0) / self.scale
        return np.asarray((1 - _BASE) * np.exp(-(excess**self.shape)))


def tail(known: Float64) -> Tail | None:
    """The tail of (n,) scores; None of fewer than LEAST, and where the bulk has no spread."""
    if len(known) < LEAST:
        return None
    base, middle, high = np.quantile(known, [_BASE, _MIDDLE, _HIGH])
    if not base < middle < high:
        return None
    shape = _RATIO / (float(np.log((high - base) / (middle - base))) + _DOUBT / float(np.sqrt(len(known))))
    shape = float(np.clip(shape, *_SHAPES))
    scale = float(high - base) / float(np.log((1 - _BASE) / (1 - _HIGH))) ** (1 / shape)
    return Tail(float(high), float(base), scale, shape)


def p_values(scores: Float64, known: Float64) -> Float64:
    """(q,) float64 in (0, 1] of new scores against (n,) known ones; higher scores have lower p."""
    ordered = np.sort(known)
    above = len(ordered) - np.searchsorted(ordered, scores, side="left")
    return _continued((1 + above) / (len(ordered) + 1), scores, known)


def own(scores: Float64) -> Float64:
    """(n,) float64 in (0, 1]: of known scores, each against all of them."""
    ordered = np.sort(scores)
    above = len(ordered) - np.searchsorted(ordered, scores, side="left")
    return _continued(above / len(ordered), scores, scores)


def _continued(shares: Float64, scores: Float64, known: Float64) -> Float64:
    """Ranks where the bulk is, the tail beyond it."""
    beyond = tail(known)
    if beyond is None:
        return np.asarray(shares)
    far = scores > beyond.start
    shares = np.asarray(shares, dtype=np.float64).copy()
    shares[far] = np.maximum(beyond.p(scores[far]), np.finfo(np.float64).tiny)
    return shares


def flags(p: Float64, fdr: float = FDR) -> Bool:
    """(n,) bool: those that can be called outliers with at most that share of them wrong, on average (Benjamini & Hochberg 1995)."""
    order = np.argsort(p, kind="stable")
    passed = np.flatnonzero(p[order] <= fdr * np.arange(1, len(p) + 1) / max(len(p), 1))
    out = np.zeros(len(p), dtype=np.bool_)
    if len(passed):
        out[order[: passed[-1] + 1]] = True
    return out
